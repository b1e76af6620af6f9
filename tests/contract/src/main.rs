//! Runs the server until its standard input ends, to try a platform by hand.
//!
//! Its first line of output is JSON: `{"server":"http://…","refusing":"http://…"}`.

use std::io;

use downlink_contract_server::Server;
use tokio::io::AsyncWriteExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let server = Server::start()?;
    let line = format!(
        "{{\"server\":\"{}\",\"refusing\":\"{}\"}}\n",
        server.url(),
        server.refusing_url()?
    );
    let mut output = tokio::io::stdout();
    output.write_all(line.as_bytes()).await?;
    output.flush().await?;

    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;

    Ok(())
}
