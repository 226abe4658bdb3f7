//! What one device is sent, and where: its address opened, its words chosen.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::Parts;
use crate::alerts::queue::Claim;
use crate::alerts::store::DeviceRow;
use crate::alerts::{appointment_words, message};
use crate::devices::sealed::SealedAddress;
use crate::domain::appointment::Subject;
use crate::domain::device::Address;
use crate::domain::{ids, neutral_text};
use crate::push::{Collapse, Payload, Private, PushMessage, PushTarget, Urgency, VisibleText};

/// The address, opened; `None` if it was sealed under another key.
pub(super) fn target(parts: &Parts, device: &DeviceRow) -> Option<PushTarget> {
    let sealed = SealedAddress::open(&parts.keys, device.device_id, &device.address_sealed)?;
    Some(PushTarget {
        device_id: device.device_id,
        provider: parts.registry.known().find(&device.provider).ok()?,
        address_kind: device.address_kind.parse().unwrap_or_default(),
        app_id: Some(device.app_id.clone()).filter(|app| !app.is_empty()),
        environment: device.environment.parse().unwrap_or_default(),
        address: Address::new(sealed.address),
        keys: sealed.keys,
        vapid_key_id: device.vapid_key_id.clone(),
        registered_at: device.registered_at,
    })
}

/// Words go where only the phone reads them, if it has a key; if not, to the lock screen of whoever agreed to that.
pub(super) fn message(parts: &Parts, claim: &Claim, device: &DeviceRow, has_keys: bool) -> PushMessage {
    let kind = message::neutral_kind(&claim.category);
    let words = if has_keys || device.show_details { details(parts, claim, device) } else { None };
    let neutral = || VisibleText::neutral(kind, &device.locale);
    let (text, private) = match words {
        Some(words) if has_keys => (neutral(), Some(Private { words, on_lock_screen: device.show_details })),
        words => (words.unwrap_or_else(neutral), None),
    };
    PushMessage {
        delivery_id: ids::delivery_id(claim.id, device.device_id),
        collapse: Collapse::new(parts.keys.collapse(claim.id)),
        payload: Payload::new(claim.id, parts.keys.recipient_tag(claim.recipient_id), kind),
        text,
        private,
        urgency: if claim.urgent { Urgency::High } else { Urgency::Normal },
        expires_at: claim.expires_at,
    }
}

/// What a patient's own alert says: the words of the protocol's item. What is for staff is about somebody else, who agreed
/// to nothing. A test says so, to anybody.
fn details(parts: &Parts, claim: &Claim, device: &DeviceRow) -> Option<VisibleText> {
    let said = match claim.category.as_str() {
        "test" => message::of_test(),
        _ if claim.recipient_kind != "patient" => return None,
        _ if let Some(subject) = claim.item_key.as_deref().and_then(Subject::parse) => {
            appointment_words::of(subject.told, None, neutral_text::language(&device.locale))
        }
        _ => {
            let version = parts.catalogue.cached(claim.protocol_version_id?)?;
            let texts = version.texts_for(&[&device.locale], |texts| device.accepted_locales.contains(&texts.locale));
            message::of_item(&version, texts, claim.item_key.as_deref()?, claim.seq)?
        }
    };
    Some(VisibleText { title: said.title, body: Some(said.body).filter(|body| !body.is_empty()) })
}

/// The versions whose words somebody among these claims may be told: whose phones can read them in private is sealed.
pub(super) fn wanted_versions(claims: &[Claim]) -> BTreeSet<Uuid> {
    claims.iter().filter_map(|claim| claim.protocol_version_id).collect()
}
