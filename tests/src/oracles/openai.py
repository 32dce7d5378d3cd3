"""What OpenAI's Python client sees of the server whose base URL is the first argument, as one JSON object."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import openai

# An address that is not the server's own would be asked without this: no proxy, no retries that hide an error.
client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0, timeout=120)
model = client.models.list().data[0].id
QUESTIONS = ["Hello!", "What is a kernel?", "Count to five.", "Tell me about the sea."]


def chat(question, **options):
    messages = [{"role": "user", "content": question}]
    options = {"temperature": 0, "max_tokens": 24, **options}
    return client.chat.completions.create(model=model, messages=messages, **options)


def whole(question):
    answer = chat(question)
    choice = answer.choices[0]
    return {
        "text": choice.message.content,
        "reason": choice.finish_reason,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
    }


def streamed(question):
    text, reason, usage = "", None, None
    for chunk in chat(question, stream=True, stream_options={"include_usage": True}):
        if chunk.usage:
            usage = chunk.usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
    return {
        "text": text,
        "reason": reason,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }


def completion():
    options = {"model": model, "prompt": "Once upon a time", "temperature": 0, "max_tokens": 16}
    answer = client.completions.create(**options, logprobs=2)
    stream = client.completions.create(**options, stream=True)
    choice = answer.choices[0]
    return {
        "text": choice.text,
        "streamed": "".join(chunk.choices[0].text for chunk in stream),
        "logprobs": len(choice.logprobs.token_logprobs),
        "completion_tokens": answer.usage.completion_tokens,
    }


def error(call):
    """The class, status, code and parameter of the exception that a call ends with."""
    try:
        call()
    except openai.APIStatusError as exception:
        return [type(exception).__name__, exception.status_code, exception.code, exception.param]
    return None


def left():
    """Leaves in the middle of a stream; the next question is answered all the same."""
    stream = chat(QUESTIONS[0], stream=True, max_tokens=200)
    next(iter(stream))
    stream.close()
    return whole(QUESTIONS[0])["text"]


with ThreadPoolExecutor(len(QUESTIONS)) as pool:
    together = list(pool.map(whole, QUESTIONS))
    together_streamed = list(pool.map(streamed, QUESTIONS))

message = {"role": "user", "content": "hi"}
json.dump(
    {
        "model": model,
        "retrieved": client.models.retrieve(model).id,
        "alone": [whole(question) for question in QUESTIONS],
        "streamed": [streamed(question) for question in QUESTIONS],
        "together": together,
        "together_streamed": together_streamed,
        "completion": completion(),
        "left": left(),
        "errors": {
            "model": error(lambda: client.chat.completions.create(model="gpt-0", messages=[message])),
            "temperature": error(lambda: chat("hi", temperature=3)),
            "tools": error(lambda: chat("hi", tools=[{"type": "function", "function": {"name": "f"}}])),
            "context": error(lambda: chat("hi " * 100_000)),
            "missing model": error(lambda: client.models.retrieve("gpt-0")),
        },
    },
    sys.stdout,
)
