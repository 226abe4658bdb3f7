//! The public page for the end of a login, for who has no app any more: who are you, this is what happens, done. Nothing is
//! kept between the steps. Wrong passwords and codes cost what they cost at the login, and get the same answer.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::app::State;
use crate::auth::email;
use crate::auth::extract::ClientAddress;
use crate::auth::reauthentication::{Credentials, Unknown, recognise};
use crate::db::Scope;
use crate::erasure::page_view::{STYLE, Shown, page};
use crate::erasure::view::DeletionView;
use crate::erasure::{MarkError, confirmation, find_pending, mark, page_words, take_back};
use crate::error::ApiError;
use crate::form::Form;
use crate::language::{Wanted, content_language};

/// The style goes by its hash, forms go to this server, and nothing else does anything.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// What the page's forms send: who somebody is, or what they have decided.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageForm {
    email: Option<String>,
    password: Option<String>,
    code: Option<String>,
    token: Option<String>,
    decision: Option<Decision>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Delete,
    Keep,
}

/// The page as somebody finds it.
pub async fn show_deletion_page(state: web::Data<State>, wanted: Wanted) -> HttpResponse {
    answer(&state, &wanted, &Shown::Form(None))
}

/// One step on. A page is answered with a page, whatever was wrong.
pub async fn submit_deletion_page(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    wanted: Wanted,
    form: Form<PageForm>,
) -> Result<HttpResponse, ApiError> {
    let PageForm { email, password, code, token, decision } = form.0;
    if let Some((token, decision)) = token.zip(decision) {
        return decide(&state, &wanted, &token, decision).await;
    }
    let email = email::normalised(&email.unwrap_or_default());
    let password = password.unwrap_or_default();
    let code = code.as_deref().map(str::trim).filter(|code| !code.is_empty());
    let shown = Credentials { email: &email, password: &password, code, address };
    let user = match recognise(&state.db, &state.clocks, &state.auth, shown).await? {
        Ok(user) => user,
        Err(unknown) => {
            let words = words(&wanted);
            let wrong = match unknown {
                Unknown::Wrong => words.wrong.to_owned(),
                Unknown::CodeRequired => words.code_required.to_owned(),
                Unknown::Wait(seconds) => words.wait.replace("{seconds}", &seconds.to_string()),
            };
            return Ok(answer(&state, &wanted, &Shown::Form(Some(wrong))));
        }
    };
    let (window, now) = (state.erasure_window, state.clocks.wall.now());
    let token = confirmation::issue(&state.keys, &user, now)?;
    let found = state.db.scoped(Scope::User(user.id), async |conn| {
        let outlook = mark::preview(conn, user.id, window, now).await?;
        Ok::<_, ApiError>((find_pending(conn, user.id).await?, outlook))
    });
    Ok(match found.await? {
        // It is final: to whoever asks there is no such login any more.
        (Some(pending), _) if pending.erase_at <= now => {
            answer(&state, &wanted, &Shown::Form(Some(words(&wanted).wrong.to_owned())))
        }
        (Some(pending), _) => answer(&state, &wanted, &Shown::Pending(pending.erase_at, &token)),
        (None, outlook) => answer(&state, &wanted, &Shown::Facts(&DeletionView::new(outlook, false), &token)),
    })
}

async fn decide(state: &State, wanted: &Wanted, token: &str, decision: Decision) -> Result<HttpResponse, ApiError> {
    let Some(user) = confirmation::redeem(&state.db, &state.keys, token, state.clocks.wall.now()).await? else {
        return Ok(answer(state, wanted, &Shown::Form(Some(words(wanted).late.to_owned()))));
    };
    match decision {
        Decision::Delete => {
            let shown = match super::end(state, &user).await {
                Ok(marked) => Shown::Deleted(marked.pending.erase_at),
                Err(MarkError::LastAdministrator(_)) => Shown::Form(Some(words(wanted).alone.to_owned())),
                Err(MarkError::Changed) => Shown::Form(Some(words(wanted).late.to_owned())),
                Err(error @ MarkError::Db(_)) => return Err(error.into()),
            };
            Ok(answer(state, wanted, &shown))
        }
        Decision::Keep => {
            let keep = state.db.scoped(Scope::User(user.id), async |conn| {
                take_back(conn, &state.clocks, &state.protocols, user.id).await
            });
            let shown = if keep.await? { Shown::Kept } else { Shown::Form(Some(words(wanted).late.to_owned())) };
            Ok(answer(state, wanted, &shown))
        }
    }
}

fn words(wanted: &Wanted) -> &'static page_words::Words {
    page_words::of(wanted.pick(&[], page_words::LANGUAGES))
}

fn answer(state: &State, wanted: &Wanted, shown: &Shown<'_>) -> HttpResponse {
    let words = words(wanted);
    let mut response = HttpResponse::Ok();
    for header in content_language(words.language) {
        response.insert_header(header);
    }
    response
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .body(page(words, state.erasure_window.num_days(), shown))
}
