"""Renders chat templates as Hugging Face's transformers configures Jinja.

A line on standard input is a JSON object: `template`, `variables`, `unix_time`. A line on standard output is the answer:
`{"text": ...}` or `{"error": ...}`.
"""

import datetime
import functools
import json
import sys

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """`{% generation %}` marks what the assistant says; rendering its body is all that matters here."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_render")
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise TemplateError(message)


@functools.lru_cache
def compiled(template, unix_time):
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = datetime.datetime.fromtimestamp(unix_time, datetime.timezone.utc).strftime
    return environment.from_string(template)


def answer(request):
    try:
        return {"text": compiled(request["template"], request["unix_time"]).render(**request["variables"])}
    except Exception as error:  # whatever goes wrong in a template is an answer
        return {"error": f"{type(error).__name__}: {error}"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
