//! OTLP servers without the interpreter: threads of their own accept, inflate, check and count requests.
//!
//! Requests that passed gather in an [`inbox`]. Whoever runs the pipeline takes all that is there as one *ticket*, and
//! answering the ticket answers each request in it. The busier the pipeline is, the more requests share its cost.

pub mod answer;
pub mod budget;
mod connection;
mod counted;
pub mod grpc;
pub mod inbox;
pub mod server;
