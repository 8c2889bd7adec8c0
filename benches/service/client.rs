//! A client as a script author would write it: HTTP for mutations, one WebSocket for subscriptions.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

const EVENTS: &str = "subscription($id: ID!) { attemptEvents(attemptId: $id) { __typename sequence ... on OutputChunk { text } ... on AttemptFinished { attempt { verdict } } } }";
const SUBMIT: &str = "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { attempt { id } } }";
const RUN: &str =
    "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { attempt { verdict steps { isCached } } } }";

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

pub fn http() -> Result<reqwest::Client> {
    // A second installation of the provider is refused, and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

impl Client {
    pub async fn register(url: &str, username: &str) -> Result<Self> {
        let mut client = Self { http: http()?, url: url.to_owned(), token: String::new() };
        let query = "mutation($input: RegisterInput!) { register(input: $input) { token } }";
        let answer =
            client.ask(query, json!({"input": {"username": username, "password": "correct horse battery"}})).await?;
        answer["register"]["token"].as_str().context("no token")?.clone_into(&mut client.token);
        Ok(client)
    }

    pub async fn ask(&self, query: &str, variables: Value) -> Result<Value> {
        let mut request =
            self.http.post(format!("{}/graphql", self.url)).json(&json!({"query": query, "variables": variables}));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let mut answer: Value = request.send().await?.json().await?;
        if let Some(errors) = answer.get("errors") {
            bail!("{errors}");
        }
        Ok(answer["data"].take())
    }

    /// Submits and answers with the attempt's id at once.
    pub async fn submit(&self, language: &str, source: &str) -> Result<String> {
        let answer = self.ask(SUBMIT, json!({"input": {"language": language, "source": source}})).await?;
        Ok(answer["submitCode"]["attempt"]["id"].as_str().context("no id")?.to_owned())
    }

    /// The same for a program that reads what is typed.
    pub async fn submit_interactive(&self, language: &str, source: &str) -> Result<String> {
        let input = json!({"language": language, "source": source, "isInteractive": true});
        let answer = self.ask(SUBMIT, json!({"input": input})).await?;
        Ok(answer["submitCode"]["attempt"]["id"].as_str().context("no id")?.to_owned())
    }

    /// Types an empty line for it.
    pub async fn type_line(&self, attempt: &str) -> Result<()> {
        let query = "mutation($input: WriteStdinInput!) { writeStdin(input: $input) { nextOffset } }";
        self.ask(query, json!({"input": {"attemptId": attempt, "text": "\n"}})).await.map(drop)
    }

    /// Submits and waits for the verdict; tells whether the compilation was reused.
    pub async fn run(&self, language: &str, source: &str) -> Result<bool> {
        let input = json!({"language": language, "source": source, "waitMs": 60000});
        let answer = self.ask(RUN, json!({"input": input})).await?;
        let attempt = &answer["submitCode"]["attempt"];
        if attempt["verdict"] != "OK" {
            bail!("{language}: {attempt}");
        }
        Ok(attempt["steps"][0]["isCached"] == true)
    }

    pub async fn socket(&self) -> Result<Socket> {
        let mut request = self.url.replace("http://", "ws://").into_client_request()?;
        *request.uri_mut() = format!("{}/graphql", self.url.replace("http://", "ws://")).parse()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let (stream, _) = connect_async_with_config(request, None, true).await?;
        let mut socket = Socket { stream };
        socket
            .send(json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {}", self.token)}}))
            .await?;
        let ack = socket.next().await?;
        if ack["type"] != "connection_ack" {
            bail!("{ack}");
        }
        Ok(socket)
    }
}

pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
}

impl Socket {
    async fn send(&mut self, message: Value) -> Result<()> {
        Ok(self.stream.send(Message::text(message.to_string())).await?)
    }

    /// The next message, pings answered.
    pub async fn next(&mut self) -> Result<Value> {
        loop {
            match self.stream.next().await.context("the socket was closed")?? {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text)?;
                    if message["type"] == "ping" {
                        self.send(json!({"type": "pong"})).await?;
                        continue;
                    }
                    return Ok(message);
                }
                Message::Close(frame) => bail!("closed: {frame:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Subscribes to the events of an attempt under an id of the caller's choice.
    pub async fn subscribe(&mut self, id: &str, attempt: &str) -> Result<()> {
        self.send(json!({"type": "subscribe", "id": id, "payload": {"query": EVENTS, "variables": {"id": attempt}}}))
            .await
    }

    /// Reads until the attempt has finished; answers with its verdict, and when it was here.
    pub async fn finished(&mut self) -> Result<(String, Instant)> {
        loop {
            let message = self.next().await?;
            let event = &message["payload"]["data"]["attemptEvents"];
            if message["type"] == "error" {
                bail!("{message}");
            }
            if event["__typename"] == "AttemptFinished" {
                let arrived = Instant::now();
                let verdict = event["attempt"]["verdict"].as_str().context("no verdict")?.to_owned();
                // `complete` follows: it belongs to this subscription, not to the next.
                while self.next().await?["type"] != "complete" {}
                return Ok((verdict, arrived));
            }
        }
    }
}
