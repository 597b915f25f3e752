//! With which number a problem is answered.

use aob_engine::catalogue::{self, Entry};
use http::StatusCode;

use crate::problem::Problem;

/// The number of the first finding.
pub(super) fn status(problem: &Problem) -> StatusCode {
    problem.entry().map_or(StatusCode::INTERNAL_SERVER_ERROR, of)
}

/// The number of a kind of finding. What a rule refuses is 422, what the run's state does not allow 409.
pub(crate) fn of(entry: &Entry) -> StatusCode {
    let known: &[(StatusCode, &[&Entry])] = &[
        (StatusCode::BAD_REQUEST, &[&catalogue::BAD_REQUEST]),
        (StatusCode::UNAUTHORIZED, &[&catalogue::NOT_PROVEN]),
        (
            StatusCode::FORBIDDEN,
            &[
                &catalogue::NOT_ALLOWED,
                &catalogue::NOT_AN_APPROVER,
                &catalogue::REQUESTER_DECIDES,
                &catalogue::PATCHER_DECIDES,
            ],
        ),
        (
            StatusCode::NOT_FOUND,
            &[
                &catalogue::NO_ROUTE,
                &catalogue::NO_RUN,
                &catalogue::NO_TICKET,
                &catalogue::NO_WORKFLOW,
                &catalogue::NO_NODE,
                &catalogue::NO_PATCH,
                &catalogue::NO_PATCH_SET,
                &catalogue::NO_REVISION,
                &catalogue::NO_TYPE,
            ],
        ),
        (StatusCode::METHOD_NOT_ALLOWED, &[&catalogue::BAD_METHOD]),
        (StatusCode::REQUEST_TIMEOUT, &[&catalogue::TOO_SLOW]),
        (
            StatusCode::CONFLICT,
            &[
                &catalogue::NOT_POSSIBLE,
                &catalogue::BUSY,
                &catalogue::TICKET_CLOSED,
                &catalogue::TICKET_LATE,
                &catalogue::TYPE_MOVED,
            ],
        ),
        (StatusCode::PAYLOAD_TOO_LARGE, &[&catalogue::REQUEST_TOO_LARGE]),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, &[&catalogue::BAD_MEDIA]),
        (StatusCode::TOO_MANY_REQUESTS, &[&catalogue::TOO_MANY, &catalogue::TIER_LIMIT]),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            &[
                &catalogue::CLUSTER_SILENT,
                &catalogue::ISSUER_SILENT,
                &catalogue::STORE_UNREACHABLE,
                &catalogue::STORE_EPOCH,
                &catalogue::STORE_FULL,
                &catalogue::STORE_OWNED,
            ],
        ),
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            &[&catalogue::STORE_CORRUPT, &catalogue::STORE_DISK, &catalogue::STORE_UNFIT],
        ),
    ];
    let found = known.iter().find(|(_, entries)| entries.contains(&entry));
    found.map_or(StatusCode::UNPROCESSABLE_ENTITY, |(status, _)| *status)
}
