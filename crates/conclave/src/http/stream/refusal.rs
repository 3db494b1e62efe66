//! Refusals, with the status that the standards give them.

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conclave_gateway::{FragmentError, MediaType, PatchRefused};
use conclave_media::OfferRefused;
use conclave_proto::{ErrorCode, ProtocolError};

use crate::http::ApiError;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 307: it is elsewhere.
    Moved(HeaderValue),
    /// 404: no such room can be, or there is no such session.
    NoSuchResource,
    /// 406: the offer is understood, and nothing of it is taken.
    NotAcceptable(&'static str),
    /// 413.
    TooLarge,
    /// 415: this is what is taken.
    WrongType(MediaType),
    /// 409, 412, 422 or 428.
    Patch(PatchRefused),
    /// What else is wrong.
    Error(ProtocolError),
}

impl From<ProtocolError> for Refusal {
    fn from(error: ProtocolError) -> Self {
        Self::Error(error)
    }
}

impl From<OfferRefused> for Refusal {
    fn from(refused: OfferRefused) -> Self {
        match refused {
            OfferRefused::Malformed(why) => ProtocolError::new(ErrorCode::BadSdp, why).into(),
            OfferRefused::Unacceptable(why) => Self::NotAcceptable(why),
        }
    }
}

impl From<FragmentError> for Refusal {
    fn from(error: FragmentError) -> Self {
        ProtocolError::new(ErrorCode::BadSdp, error.to_string()).into()
    }
}

impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::TooLarge;
        }
        ProtocolError::new(ErrorCode::Malformed, "the body was cut off").into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let with = |status, code, why: &str| {
            let mut response = ApiError(ProtocolError::new(code, why)).into_response();
            *response.status_mut() = status;
            response
        };
        match self {
            Self::Moved(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
            Self::NoSuchResource => with(StatusCode::NOT_FOUND, ErrorCode::RoomClosed, "there is no such resource"),
            Self::NotAcceptable(why) => with(StatusCode::NOT_ACCEPTABLE, ErrorCode::BadSdp, why),
            Self::TooLarge => with(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BadSdp, "the body is larger than 64 KiB"),
            Self::WrongType(wanted) => {
                let why = format!("the body must be {}", wanted.as_str());
                let mut response = with(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::Malformed, &why);
                let name = if wanted == MediaType::Sdp { "accept-post" } else { "accept-patch" };
                response.headers_mut().insert(name, HeaderValue::from_static(wanted.as_str()));
                response
            }
            Self::Patch(refused) => {
                let (status, code) = match refused {
                    PatchRefused::NoPrecondition => (StatusCode::PRECONDITION_REQUIRED, ErrorCode::Malformed),
                    PatchRefused::Stale => (StatusCode::PRECONDITION_FAILED, ErrorCode::StaleGeneration),
                    PatchRefused::NothingNew | PatchRefused::OtherIceSession => {
                        (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::BadSdp)
                    }
                    PatchRefused::Restarting => (StatusCode::CONFLICT, ErrorCode::OutOfOrder),
                };
                with(status, code, &refused.to_string())
            }
            Self::Error(error) => {
                let status = match error.code {
                    ErrorCode::BadSdp | ErrorCode::TooManySections | ErrorCode::BadName => {
                        Some(StatusCode::BAD_REQUEST)
                    }
                    ErrorCode::RoomLocked => Some(StatusCode::FORBIDDEN),
                    ErrorCode::CannotResume => Some(StatusCode::NOT_FOUND),
                    _ => None,
                };
                let mut response = ApiError(error).into_response();
                if let Some(status) = status {
                    *response.status_mut() = status;
                }
                response
            }
        }
    }
}
