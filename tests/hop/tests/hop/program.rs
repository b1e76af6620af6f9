use std::process::Stdio;

use downlink_hop::{Fault, Plan};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::stage::{REQUEST, STREAM, connect, http, soon};
use crate::wire::Wire;

#[tokio::test]
async fn the_program_obeys_line_by_line_and_ends_with_its_input() {
    let upstream = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut program = Program::start(&upstream, &["--http", r#"{"refuse":503}"#]);
    let address = program.hear().await["listening"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();

    let mut client = connect(address).await;
    client.send(REQUEST).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 503 "));
    client.expect("Refused by the hop.\n").await;

    program
        .tell(&serde_json::to_string(&Plan::default()).unwrap())
        .await;
    program.tell(r#""counters""#).await;
    let counted = json!({"counters": {"connections": 1, "upgrades": 0, "requests": 1, "cuts": 0}});
    assert_eq!(program.hear().await, counted);
    client.send(REQUEST).await;
    let mut server = Wire::new(soon(upstream.accept()).await.unwrap().0);
    server.expect(REQUEST).await;
    server.send(STREAM).await;
    client.expect(STREAM).await;

    program.tell(r#""cut""#).await;
    client.expect_reset().await;
    program.tell("nonsense").await;
    assert!(program.hear().await["error"].is_string());
    program
        .tell(&serde_json::to_string(&http(Fault::Garbage)).unwrap())
        .await;

    drop(program.orders);
    assert!(soon(program.child.wait()).await.unwrap().success());
}

struct Program {
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(upstream: &TcpListener, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_downlink-hop"))
            .arg("--upstream")
            .arg(upstream.local_addr().unwrap().to_string())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();

        Self {
            orders: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    async fn tell(&mut self, line: &str) {
        self.orders
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn hear(&mut self) -> Value {
        let line = soon(self.lines.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}
