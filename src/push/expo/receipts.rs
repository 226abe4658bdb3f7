//! Receipts: what Apple or Google made of a message that Expo took. Expo keeps them for about a day.

use futures_util::future::{BoxFuture, FutureExt as _};
use serde::Serialize;

use super::{Expo, classify};
use crate::domain::alert::PushOutcome;
use crate::push::{Receipts, WhatBecame};

/// What Expo's own library asks for at once; the limit is 1,000.
const MOST: usize = 300;

#[derive(Serialize)]
struct Question<'a> {
    ids: &'a [String],
}

impl Receipts for Expo {
    fn most(&self) -> usize {
        MOST
    }

    fn ask<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, Result<WhatBecame, PushOutcome>> {
        async move {
            let unwritable = |_never| PushOutcome::Rejected { reason: "payload".into() };
            let question = serde_json::to_vec(&Question { ids }).map_err(unwritable)?;
            let reply = self.wire.ask(self.wire.receipts_url.clone(), question).await?;
            Ok(classify::receipts(&reply, self.wire.clocks.wall.now())?.into_iter().collect())
        }
        .boxed()
    }
}
