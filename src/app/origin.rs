//! Middleware: remembers where a request comes from, for the audit trail.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest};

use crate::audit;
use crate::auth::extract::ClientAddress;

/// Serves the request on behalf of its address.
pub async fn remember<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let ClientAddress(address) = ClientAddress::extract(request.request()).await?;
    audit::on_behalf_of(address, next.call(request)).await
}
