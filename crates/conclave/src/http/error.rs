//! Errors as the API tells them: the protocol's, with a status that fits.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conclave_proto::{ErrorCode, ProtocolError};
use serde::de::DeserializeOwned;

/// An error on its way to whoever asked.
#[derive(Clone, Debug)]
pub struct ApiError(pub ProtocolError);

impl ApiError {
    pub(super) fn new(code: ErrorCode, message: &str) -> Self {
        Self(ProtocolError::new(code, message))
    }
}

impl From<ProtocolError> for ApiError {
    fn from(error: ProtocolError) -> Self {
        Self(error)
    }
}

fn status(code: ErrorCode) -> StatusCode {
    use ErrorCode as E;
    match code {
        E::Malformed | E::UnsupportedVersion | E::OutOfOrder => StatusCode::BAD_REQUEST,
        E::BadName | E::BadRoomName | E::BadChat | E::BadOptions | E::BadSdp | E::TooManySections => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        E::UnknownMessage | E::RoomClosed | E::NoSuchParticipant => StatusCode::NOT_FOUND,
        E::Unauthorized => StatusCode::UNAUTHORIZED,
        E::Forbidden => StatusCode::FORBIDDEN,
        E::NothingLive | E::RoomFull | E::RoomLocked | E::AlreadyHere | E::CannotResume | E::StaleGeneration => {
            StatusCode::CONFLICT
        }
        E::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        E::MediaUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        E::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = status(self.0.code);
        let mut response = (status, Json(&self.0)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(milliseconds) = self.0.retry_after_ms {
            headers.insert(header::RETRY_AFTER, milliseconds.div_ceil(1_000).into());
        }
        response
    }
}

/// A path under `/api` that leads nowhere.
pub(super) async fn no_such_route() -> Response {
    ApiError::new(ErrorCode::UnknownMessage, "no such route; see /api/v1/openapi.json").into_response()
}

/// A route that does not know this method.
pub(super) async fn method_not_allowed() -> Response {
    let mut response = ApiError::new(ErrorCode::UnknownMessage, "this route does not take this method").into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// A JSON body.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(value) = Json::from_request(request, state).await?;
        Ok(Self(value))
    }
}

/// Parameters in the path.
#[derive(Debug)]
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(value) = Path::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// Parameters in the query.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(value) = Query::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The value's own error code, if the text holds one (`[bad-name] …`, as the protocol's types say
/// it). The rest of serde's sentence quotes the input and is not passed on.
fn refusal(text: &str, otherwise: ErrorCode, message: &str) -> ApiError {
    let named = text.split_once('[').and_then(|(_, rest)| rest.split_once("] "));
    let code = named.and_then(|(code, _)| serde_json::from_value(code.into()).ok());
    match (code, named) {
        (Some(code), Some((_, said))) => ApiError::new(code, said.split(" at line ").next().unwrap_or(message)),
        _ => ApiError::new(otherwise, message),
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let message = match &rejection {
            JsonRejection::MissingJsonContentType(_) => "the body must be JSON (content-type: application/json)",
            JsonRejection::BytesRejection(_) => "the body is too large or was cut off",
            JsonRejection::JsonSyntaxError(_) => "the body is not JSON",
            _ => "the body is not of the form that /api/v1/openapi.json gives",
        };
        refusal(&rejection.body_text(), ErrorCode::Malformed, message)
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        refusal(&rejection.body_text(), ErrorCode::Malformed, "the path is not valid")
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        refusal(&rejection.body_text(), ErrorCode::Malformed, "the query is not valid")
    }
}
