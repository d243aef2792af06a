//! What the chart's `extraCA` and `proxy` ask for is what the program does with the environment they give it: more authorities beside the public
//! ones, and RPC endpoints through proxies but for the hosts that are named. Run as a process, since its environment is what is tested.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// What a server was asked, first line by first line.
type Asked = Arc<Mutex<Vec<String>>>;

/// An authority that nobody knows, and a certificate of its for this machine.
struct Authority {
    pem: String,
    acceptor: TlsAcceptor,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Authority {
        pem: issuer.pem(),
        acceptor: TlsAcceptor::from(Arc::new(config)),
    }
}

/// Answers everything with a chain id and notes what it was asked.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, asked: &Asked) {
    let mut buffer = vec![0; 8192];
    let length = stream.read(&mut buffer).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    asked
        .lock()
        .unwrap()
        .push(text.lines().next().unwrap_or_default().to_owned());
    let body = r#"{"jsonrpc":"2.0","id":0,"result":"0x7a69"}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A server on loopback, over TLS where there is an authority.
async fn serve(acceptor: Option<TlsAcceptor>) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &acceptor {
                None => answer(stream, &noted).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream, &noted).await;
                    }
                }
            }
        }
    });
    (port, asked)
}

/// Asks an endpoint by the program's own command line, with this environment and no other; what it said.
async fn ask(url: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leaseport"));
    command
        .args(["market", "params", "--rpc", url, "--directory"])
        .arg("0x00000000000000000000000000000000000000AA")
        .env_clear()
        .envs(environment.iter().copied());
    let said = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    String::from_utf8_lossy(&said.stderr).into_owned()
}

fn times(asked: &Asked) -> usize {
    asked.lock().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_of_the_admins_is_trusted_beside_the_public_ones_and_without_it_the_error_says_so() {
    let (public, own) = (authority("public"), authority("own"));
    let folder = tempfile::tempdir().unwrap();
    // As the chart mounts it: the image's bundle in a file, the admin's entry in a folder under the one name that is read there.
    let bundle = folder.path().join("ca-certificates.crt");
    let more = folder.path().join("ca");
    fs::create_dir(&more).unwrap();
    fs::write(&bundle, &public.pem).unwrap();
    fs::write(more.join("00000000.0"), &own.pem).unwrap();
    let text = |path: &Path| path.display().to_string();
    let (bundle, more) = (text(&bundle), text(&more));
    let (public_port, public_asked) = serve(Some(public.acceptor)).await;
    let (own_port, own_asked) = serve(Some(own.acceptor)).await;
    let url = |port| format!("https://localhost:{port}");

    let refused = ask(&url(own_port), &[("SSL_CERT_FILE", &bundle)]).await;
    assert!(
        refused.contains("its certificate is signed by an authority that is not trusted"),
        "{refused}"
    );
    assert_eq!(times(&own_asked), 0);

    let both = [
        ("SSL_CERT_FILE", bundle.as_str()),
        ("SSL_CERT_DIR", more.as_str()),
    ];
    for (port, asked) in [(own_port, own_asked), (public_port, public_asked)] {
        let said = ask(&url(port), &both).await;
        assert!(times(&asked) > 0, "{said}");
        assert!(
            said.contains("answers entries not as a Leaseport Directory"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_are_asked_through_the_proxy_of_their_scheme_but_for_the_hosts_that_are_named() {
    let (node, straight) = serve(None).await;
    let (proxy, through) = serve(None).await;
    let proxy = format!("http://127.0.0.1:{proxy}");
    let both = [("HTTP_PROXY", proxy.as_str()), ("HTTPS_PROXY", proxy.as_str())];

    ask("http://rpc.example.com:8545", &both).await;
    let first = |asked: &Asked| asked.lock().unwrap().first().cloned().unwrap_or_default();
    assert_eq!(first(&through), "POST http://rpc.example.com:8545/ HTTP/1.1");
    through.lock().unwrap().clear();

    ask("https://rpc.example.com", &both).await;
    assert_eq!(first(&through), "CONNECT rpc.example.com:443 HTTP/1.1");
    through.lock().unwrap().clear();

    let url = format!("http://127.0.0.1:{node}");
    let named = [both.as_slice(), &[("NO_PROXY", ".example.com,127.0.0.0/8")]].concat();
    ask(&url, &named).await;
    assert_eq!(times(&through), 0);
    assert!(times(&straight) > 0);
}
