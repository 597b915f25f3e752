//! The handlers under load.

use anyhow::Result;
use restate_sdk::prelude::{
    Context, ContextClient as _, ContextSideEffects as _, Endpoint, HandlerResult, HttpServer,
    TerminalError, service,
};
use tokio::net::TcpListener;

use crate::work::{bytes_of, step_output};

/// The service that Restate knows, called by its handlers' names.
pub(super) const SERVICE: &str = "Bench";

/// Serves the handlers to Restate's server until the future is dropped.
pub async fn serve(listener: TcpListener) -> Result<()> {
    HttpServer::new(Endpoint::builder().bind(Bench).build())
        .serve_with_cancel(listener, std::future::pending::<()>())
        .await;
    Ok(())
}

struct Bench;

#[service]
impl Bench {
    /// `steps` durable steps, one after the other. Returns the bytes of their outputs.
    #[handler]
    async fn chain(&self, ctx: Context<'_>, steps: u32) -> HandlerResult<u32> {
        let mut bytes = 0;
        for _ in 0..steps {
            bytes += bytes_of(&run_step(&ctx).await?);
        }
        Ok(bytes)
    }

    /// One durable step, `width` at once, one more. Returns the bytes of their outputs.
    ///
    /// The parallel ones are calls of another handler: the Rust SDK runs one `ctx.run` at a
    /// time, a call is its only step that works in parallel. The calls are written together
    /// and then awaited; each result is durable in this run's journal.
    #[handler]
    async fn fan(&self, ctx: Context<'_>, width: u32) -> HandlerResult<u32> {
        let mut bytes = bytes_of(&run_step(&ctx).await?);
        let calls: Vec<_> =
            (0..width).map(|_| ctx.service_client::<BenchClient<'_>>().step().call()).collect();
        for call in calls {
            bytes += bytes_of(&call.await?);
        }
        Ok(bytes + bytes_of(&run_step(&ctx).await?))
    }

    /// One parallel step of a fan.
    #[handler]
    async fn step(&self, _ctx: Context<'_>) -> HandlerResult<String> {
        Ok(step_output())
    }
}

async fn run_step(ctx: &Context<'_>) -> Result<String, TerminalError> {
    ctx.run(async || Ok(step_output())).await
}
