//! One order: from the account to the certificate.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, Error, HttpClient, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ClientConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::super::Certificates;
use super::Client;
use super::store::StoredAccount;
use super::words::{self, Failure, Kind, Refusal};
use crate::config::AcmeContact;
use crate::outgoing;

/// How the authority is asked whether it has looked: it may look from several places, one after the
/// other.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_secs(120));

/// Why an order came to nothing.
enum OrderError {
    /// The authority said so, or could not be asked.
    Acme(Error),
    /// It refused a name.
    Name(String, Problem),
    /// Our side of it.
    Here(&'static str),
}

impl From<Error> for OrderError {
    fn from(error: Error) -> Self {
        Self::Acme(error)
    }
}

/// Asks for a certificate: its key and chain in PEM.
/// `port` is where this program listens.
pub(super) async fn order(client: &Client, certificates: &Certificates, port: u16) -> Result<String, Failure> {
    // Whatever happens, an authority that comes later finds nothing of this order.
    let _cleared = Cleared(certificates);
    let result = match attempt(client, certificates).await {
        Err(OrderError::Acme(Error::Api(problem))) if words::account_is_gone(code(&problem)) => {
            tracing::warn!("the certificate authority does not know the account any more; making a new one");
            client.store.forget_account();
            attempt(client, certificates).await
        }
        result => result,
    };
    result.map_err(|error| in_words(error, port))
}

struct Cleared<'a>(&'a Certificates);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.challenges().clear();
    }
}

async fn attempt(client: &Client, certificates: &Certificates) -> Result<String, OrderError> {
    let account = open_account(client).await?;
    let names: Vec<_> =
        client.options.domains.iter().map(|domain| Identifier::Dns(domain.as_str().to_owned())).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            // Proven by an earlier order.
            continue;
        }
        let mut challenge = authorization
            .challenge(ChallengeType::TlsAlpn01)
            .ok_or(OrderError::Here("the certificate authority does not offer TLS-ALPN-01"))?;
        let name = challenge.identifier().to_string();
        let proof = proof(&name, challenge.key_authorization().digest().as_ref())
            .ok_or(OrderError::Here("the answer to the certificate authority cannot be made"))?;
        certificates.challenges().insert(name, Arc::new(proof));
        challenge.set_ready().await?;
    }
    let status = order.poll_ready(&PATIENCE).await;
    if !matches!(status, Ok(OrderStatus::Ready)) {
        // The order says at most that it failed; the name that failed says why.
        return Err(refused_name(&mut order).await.unwrap_or_else(|| match status {
            Err(error) => OrderError::Acme(error),
            Ok(_) => OrderError::Here("the certificate authority ended the order without a reason"),
        }));
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(format!("{key}\n{chain}"))
}

/// The account that was kept, or a new one.
async fn open_account(client: &Client) -> Result<Account, Error> {
    let contacts = &client.options.contacts;
    let urls: Vec<_> = contacts.iter().map(AcmeContact::as_str).collect();
    let http = Box::new(Https(client.tls.clone()));
    if let Some(stored) = client.store.account() {
        let is_current = stored.has(contacts);
        let account = Account::builder_with_http(http).from_credentials(stored.credentials).await?;
        if !is_current {
            account.update_contacts(&urls).await?;
            // The credentials were used up; they are read again to be kept with the new contacts.
            if let Some(stored) = client.store.account() {
                keep(client, &StoredAccount::new(contacts, stored.credentials));
            }
        }
        return Ok(account);
    }
    let wanted = NewAccount { contact: &urls, terms_of_service_agreed: true, only_return_existing: false };
    let directory = client.options.directory.as_str().to_owned();
    let (account, credentials) = Account::builder_with_http(http).create(&wanted, directory, None).await?;
    keep(client, &StoredAccount::new(contacts, credentials));
    Ok(account)
}

fn keep(client: &Client, account: &StoredAccount) {
    if let Err(error) = client.store.keep_account(account) {
        tracing::error!(%error, "the account with the certificate authority could not be kept in the data folder");
    }
}

/// The certificate that proves a name (RFC 8737, section 3): for this name, with a digest in it.
fn proof(name: &str, digest: &[u8]) -> Option<CertifiedKey> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).ok()?;
    let mut params = CertificateParams::new([name.to_owned()]).ok()?;
    // Panics for anything but a SHA-256 digest.
    params.custom_extensions = (digest.len() == 32).then(|| vec![CustomExtension::new_acme_identifier(digest)])?;
    let certificate = params.self_signed(&key).ok()?;
    let signer =
        rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into())).ok()?;
    Some(CertifiedKey::new(vec![certificate.der().clone()], signer))
}

/// The first name that the authority could not verify.
async fn refused_name(order: &mut Order) -> Option<OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let state = authorization.refresh().await.ok()?;
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.clone()) {
            return Some(OrderError::Name(state.identifier().to_string(), problem));
        }
    }
    None
}

fn code(problem: &Problem) -> &str {
    problem.r#type.as_deref().unwrap_or("about:blank")
}

fn in_words(error: OrderError, port: u16) -> Failure {
    let explain = |problem: &Problem, name: Option<&str>| {
        let detail = problem.detail.as_deref().unwrap_or_default();
        words::explain(Refusal { code: code(problem), detail }, name, port)
    };
    let unreachable = |why: &dyn std::fmt::Display| Failure {
        kind: Kind::Unreachable,
        words: format!("the certificate authority cannot be asked: {why}"),
    };
    match error {
        OrderError::Name(name, problem) => explain(&problem, Some(&name)),
        OrderError::Acme(Error::Api(problem)) => match problem.subproblems.first() {
            // With several names, which of them it was.
            Some(inner) => {
                let code = inner.r#type.as_deref().unwrap_or(code(&problem));
                let detail = inner.detail.as_deref().or(problem.detail.as_deref()).unwrap_or_default();
                let name = inner.identifier.as_ref().map(|name| name.authorized(false).to_string());
                words::explain(Refusal { code, detail }, name.as_deref(), port)
            }
            None => explain(&problem, None),
        },
        OrderError::Acme(Error::Timeout(_)) => {
            Failure { kind: Kind::Passing, words: "the certificate authority has not decided in time".into() }
        }
        OrderError::Acme(Error::Json(_)) => unreachable(&"what answers at acme-directory does not speak ACME"),
        OrderError::Acme(error) => unreachable(&error),
        OrderError::Here(words) => Failure { kind: Kind::Refused, words: words.into() },
    }
}

/// Carries the requests to the authority.
struct Https(Arc<ClientConfig>);

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let tls = self.0.clone();
        Box::pin(async move {
            let response = outgoing::request(tls, request).await.map_err(|error| Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(response))
        })
    }
}
