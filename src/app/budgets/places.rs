//! Places for what is costly: so many for each clinic and so many in the whole process. Who finds none waits a moment in a
//! short line; who finds the line full, or waits in vain, is asked to come again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// How long somebody waits for a place.
pub(super) const WAIT_SECONDS: u32 = 2;
/// How many may wait for those of one clinic.
const LINE: usize = 16;

/// Where there was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The clinic has enough going on already.
    Clinic,
    /// The process has.
    Node,
}

/// A clinic of which somebody is in a place or in line.
#[derive(Debug)]
struct Clinic {
    places: Arc<Semaphore>,
    visits: usize,
}

type Clinics = Arc<Mutex<HashMap<Uuid, Clinic>>>;

/// All places of one process. Only costly requests meet at the lock, for the time of a look-up.
#[derive(Debug)]
pub(super) struct Places {
    each: usize,
    clinics: Clinics,
    node: Arc<Semaphore>,
}

/// A place. It is given back by being dropped.
#[derive(Debug)]
pub(super) struct Place {
    _node: OwnedSemaphorePermit,
    _clinic: OwnedSemaphorePermit,
    _visit: Visit,
}

/// Somebody of a clinic, in a place or in line.
#[derive(Debug)]
struct Visit {
    clinic: Uuid,
    clinics: Clinics,
}

impl Places {
    /// Zero is no limit.
    pub(super) fn new(each: u32, node: u32) -> Self {
        let places = |number: u32| match usize::try_from(number) {
            Ok(0) | Err(_) => Semaphore::MAX_PERMITS,
            Ok(number) => number,
        };
        Self { each: places(each), clinics: Clinics::default(), node: Arc::new(Semaphore::new(places(node))) }
    }

    /// A place for somebody of `clinic`.
    pub(super) async fn take(&self, clinic: Uuid) -> Result<Place, Full> {
        let (visit, places) = self.enter(clinic).ok_or(Full::Clinic)?;
        let of_clinic = within_a_moment(places).await.ok_or(Full::Clinic)?;
        let of_node = within_a_moment(Arc::clone(&self.node)).await.ok_or(Full::Node)?;
        Ok(Place { _node: of_node, _clinic: of_clinic, _visit: visit })
    }

    /// Joins the clinic's line, unless that is full.
    fn enter(&self, id: Uuid) -> Option<(Visit, Arc<Semaphore>)> {
        let mut clinics = self.clinics.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Clinic { places: Arc::new(Semaphore::new(self.each)), visits: 0 };
        let clinic = clinics.entry(id).or_insert_with(fresh);
        if clinic.visits >= self.each.saturating_add(LINE) {
            return None;
        }
        clinic.visits += 1;
        Some((Visit { clinic: id, clinics: Arc::clone(&self.clinics) }, Arc::clone(&clinic.places)))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut clinics = self.clinics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clinic) = clinics.get_mut(&self.clinic) {
            clinic.visits -= 1;
            if clinic.visits == 0 {
                clinics.remove(&self.clinic);
            }
        }
    }
}

async fn within_a_moment(places: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let moment = Duration::from_secs(WAIT_SECONDS.into());
    tokio::time::timeout(moment, places.acquire_owned()).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn known(places: &Places) -> usize {
        places.clinics.lock().unwrap().len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clinic_has_its_places_and_takes_no_other_clinics() {
        let places = Places::new(2, 3);
        let (first, second) = (places.take(ONE).await.unwrap(), places.take(ONE).await.unwrap());
        assert_eq!(places.take(ONE).await.unwrap_err(), Full::Clinic);
        let third = places.take(OTHER).await.unwrap();
        assert_eq!(places.take(OTHER).await.unwrap_err(), Full::Node);
        drop(first);
        let fourth = places.take(ONE).await.unwrap();
        drop((second, third, fourth));
        assert_eq!((known(&places), places.node.available_permits()), (0, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_next_place_and_a_full_line_is_told_so_at_once() {
        let places = Places::new(1, 0);
        let taken = places.take(ONE).await.unwrap();
        let mut line: Vec<_> = (0..LINE).map(|_| Box::pin(places.take(ONE))).collect();
        for waiting in &mut line {
            assert!(futures_util::poll!(waiting).is_pending());
        }
        let mut late = Box::pin(places.take(ONE));
        assert!(matches!(futures_util::poll!(&mut late), std::task::Poll::Ready(Err(Full::Clinic))));
        drop(taken);
        for waiting in line {
            waiting.await.unwrap();
        }
        assert_eq!(known(&places), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_is_no_limit() {
        let places = Places::new(0, 0);
        let mut taken = Vec::new();
        for _ in 0..1000 {
            taken.push(places.take(ONE).await.unwrap());
        }
        assert_eq!(known(&places), 1);
    }
}
