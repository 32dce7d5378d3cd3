//! What the server says about itself: everything that needs no engine.

use core::fmt::{self, Write};

use inference::backend::Backend;

use crate::buffer::Buffer;
use crate::http::response::{self, Exchange, Length, infallible};
use crate::json::Escaped;
use crate::metrics::Gauges;
use crate::route::Endpoint;
use crate::server::Server;

impl<B: Backend> Server<B> {
    /// Answers what needs no engine.
    pub(crate) fn describe(&mut self, index: usize, exchange: &Exchange, endpoint: &Endpoint) {
        const JSON: &str = "application/json";
        let mut body = Buffer::default();
        let content_type = match endpoint {
            Endpoint::Page => {
                body.append(include_bytes!("page.html"));
                "text/html; charset=utf-8"
            }
            Endpoint::Metrics => {
                infallible(self.metrics.write(self.gauges(), &mut body));
                "text/plain; version=0.0.4"
            }
            Endpoint::Models => {
                infallible((|| {
                    body.write_str("{\"object\":\"list\",\"data\":[")?;
                    self.write_model(&mut body)?;
                    body.write_str("]}")
                })());
                JSON
            }
            Endpoint::Model(name) => {
                if let Err(problem) = self.check_model(name) {
                    return self.refuse(index, exchange, &problem);
                }
                infallible(self.write_model(&mut body));
                JSON
            }
            _ => {
                body.append(b"{\"status\":\"ok\"}");
                JSON
            }
        };
        self.metrics.responded(200);
        let connection = &mut self.connections[index];
        response::write_whole(
            &mut connection.out,
            exchange,
            200,
            content_type,
            body.unread(),
            &[],
        );
        connection.answered(exchange, self.clock);
    }

    fn write_model(&self, out: &mut Buffer) -> fmt::Result {
        write!(
            out,
            "{{\"id\":\"{}\",\"object\":\"model\",\"created\":{},\"owned_by\":\"infernel\"}}",
            Escaped(&self.config.model_name),
            self.config.unix_base.as_secs()
        )
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            connections: self.connections.len(),
            engine: self.generator.engine.status(),
        }
    }

    /// Answers a browser that asks what a page may do.
    pub(crate) fn preflight(
        &mut self,
        index: usize,
        exchange: &Exchange,
        allow: &str,
        requested: &str,
    ) {
        self.metrics.responded(204);
        let extra = [
            ("Allow", allow),
            ("Access-Control-Allow-Methods", allow),
            ("Access-Control-Allow-Headers", requested),
            ("Access-Control-Max-Age", "600"),
        ];
        // A page from elsewhere learns which methods there are, but not that it may use them.
        let extra = if exchange.allow_origin.is_some() {
            &extra[..]
        } else {
            &extra[..1]
        };
        let connection = &mut self.connections[index];
        response::write_head(
            &mut connection.out,
            exchange,
            204,
            "",
            Length::NoBody,
            extra,
        );
        connection.answered(exchange, self.clock);
    }
}
