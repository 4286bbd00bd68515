//! Secrets stay out of everything that people print.

use crate::server::{credentials, json, serve};
use emqx_client::api::*;
use emqx_client::{Client, Credentials, Secret, Token};
use std::time::Duration;

const SECRET: &str = "s3cret";

#[test]
fn debug_texts_hold_no_secrets() {
    let key = CreatedApiKey { name: "x".to_owned(), credentials: credentials() };
    let token = Token(Secret::from(SECRET));
    let put = PutConfigs { text: SECRET.to_owned(), mode: UpdateMode::Merge };
    let texts = [
        format!("{:?}", credentials()),
        format!("{:?}", Credentials { key: "k".to_owned(), secret: SECRET.to_owned() }),
        format!("{key:?}"),
        format!("{token:?}"),
        format!("{:?}", Login { username: "admin".to_owned(), password: Secret::from(SECRET) }),
        format!("{:?}", LoginAnswer { token: token.clone(), role: None, version: None }),
        format!("{:?}", PostLicense { key: Secret::from(SECRET) }),
        format!("{put:?}"),
        format!("{:?}", IgnoringReadOnly(put.clone())),
    ];
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn errors_hold_nothing_of_what_brokers_quote() {
    let quotes = [
        (400, r#"{"errors":{"mqtt":{"path":"mqtt.x","reason":"Not a valid bytesize","value":"s3cret"}}}"#),
        (400, r#"{"errors":{"mqtt":{"path":"mqtt.x","reason":"s3cret is bad","value":"s3cret"}}}"#),
        (400, r#"{"errors":{"type":"parse_error","line":1,"reason":"syntax error before: s3cret"}}"#),
        (400, r#"{"errors":"effective\npassword = s3cret\nRoot key: mqtt\nReason: {bad,s3cret}"}"#),
        (400, r#"{"code":"BAD_REQUEST","message":"bad #{password => <<\"s3cret\">>}"}"#),
        (400, "s3cret"),
        (404, "<html>s3cret</html>"),
        (500, r#"{"code":"INTERNAL_ERROR","message":"error, s3cret"}"#),
        (500, "Unsupported code 'X', message s3cret"),
        (502, "s3cret"),
        (200, "s3cret"),
    ];
    for (status, body) in quotes {
        let server = serve(move |_, _| json(status, body)).await;
        let client = Client::new().unwrap();
        let error = client.ask(&server.endpoint, &credentials(), &GetNodes, Duration::from_secs(10)).await.unwrap_err();
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains(SECRET), "{status} {body}: {text}");
        }
    }
}
