//! How an application is served: the very same way, whichever sessions it has. The program with `tower-sessions` has this file, too.

use std::future::Future;

use anyhow::Result;
use axum::Router;

/// Serves it at a free port of this machine, and says in a line which.
pub(crate) fn serve(application: impl Future<Output = Result<Router>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let application = application.await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        Ok(axum::serve(listener, application).await?)
    })
}

/// The route without a session.
pub(crate) async fn open() -> String {
    "hello ada".to_owned()
}
