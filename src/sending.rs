//! Answers that lie whole in memory while they are sent, archives and tables, and the place that each holds meanwhile. It is
//! given back when the last piece was handed to the connection, when that is gone, or when the time is up. What the answers
//! say, and how many places there are, is the business of whoever makes them.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::rt;
use actix_web::web::Bytes;
use tokio_util::task::AbortOnDropHandle;

/// How long such an answer may take to be taken after it was made.
pub const MAX_SENDING: Duration = Duration::from_secs(120);

/// Bytes that are handed over at a time. A connection copies what it is given: of all the rest there is one copy.
const PIECE: usize = 32 * 1024;

/// The answer was not taken in [`MAX_SENDING`].
#[derive(Debug, thiserror::Error)]
#[error("the answer was not taken in time")]
struct TooSlow;

/// The body of an answer, and the place that it holds until it is sent.
pub struct Sending<B, P> {
    kept: Rc<RefCell<Option<Kept<B, P>>>>,
    size: BodySize,
    _end: AbortOnDropHandle<()>,
}

/// What a slow reader keeps from others.
struct Kept<B, P> {
    body: Pin<Box<B>>,
    next: Bytes,
    _place: P,
}

impl<B: MessageBody + 'static, P: 'static> Sending<B, P> {
    /// From now on the time runs.
    pub fn new(body: B, place: P) -> Self {
        let size = body.size();
        let kept = Rc::new(RefCell::new(Some(Kept { body: Box::pin(body), next: Bytes::new(), _place: place })));
        let watched = Rc::downgrade(&kept);
        // A connection that is stuck asks for nothing, so it would not hear that its time is up: all of it is taken away.
        let end = rt::spawn(async move {
            tokio::time::sleep(MAX_SENDING).await;
            drop(watched.upgrade().and_then(|kept| kept.borrow_mut().take()));
        });
        Self { kept, size, _end: AbortOnDropHandle::new(end) }
    }
}

impl<B: MessageBody, P> MessageBody for Sending<B, P> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let mut kept = self.kept.borrow_mut();
        // The connection ends, and whoever reads over HTTP/1.1 or 2 sees that something is missing.
        let Some(kept) = kept.as_mut() else { return Poll::Ready(Some(Err(TooSlow.into()))) };
        while kept.next.is_empty() {
            match ready!(kept.body.as_mut().poll_next(cx)) {
                Some(Ok(bytes)) => kept.next = bytes,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        let piece = PIECE.min(kept.next.len());
        Poll::Ready(Some(Ok(kept.next.split_to(piece))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Weak;

    use tokio::task::LocalSet;

    use super::*;

    const LENGTH: usize = 3 * PIECE + 1;

    type Answer = Pin<Box<Sending<Bytes, Rc<()>>>>;

    /// An answer that is being sent, and whether its place is taken.
    fn sending() -> (Answer, Weak<()>) {
        let place = Rc::new(());
        let watched = Rc::downgrade(&place);
        (Box::pin(Sending::new(Bytes::from(vec![7; LENGTH]), place)), watched)
    }

    async fn next(sending: &mut Answer) -> Option<Result<usize, String>> {
        let piece = poll_fn(|cx| sending.as_mut().poll_next(cx)).await;
        piece.map(|piece| piece.map(|bytes| bytes.len()).map_err(|error| error.to_string()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_goes_out_in_pieces_and_keeps_its_place_as_long_as_it_is_there() {
        let story = async {
            let (mut sending, place) = sending();
            assert!(matches!(sending.size(), BodySize::Sized(length) if length == LENGTH as u64));
            for length in [PIECE, PIECE, PIECE, 1] {
                tokio::time::sleep(MAX_SENDING / 5).await;
                assert_eq!(next(&mut sending).await, Some(Ok(length)));
            }
            assert_eq!((next(&mut sending).await, place.strong_count()), (None, 1));
            drop(sending);
            assert_eq!(place.strong_count(), 0);
        };
        LocalSet::new().run_until(story).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_long_loses_the_place_unasked_and_then_the_connection() {
        let story = async {
            let (mut sending, place) = sending();
            assert_eq!(next(&mut sending).await, Some(Ok(PIECE)));
            tokio::time::sleep(MAX_SENDING - Duration::from_millis(1)).await;
            assert_eq!(place.strong_count(), 1);
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert_eq!(place.strong_count(), 0);
            assert_eq!(next(&mut sending).await, Some(Err(TooSlow.to_string())));
        };
        LocalSet::new().run_until(story).await;
    }
}
