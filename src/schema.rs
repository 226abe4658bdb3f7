//! The database's tables as diesel sees them. Generated from a migrated database; a test holds both equal.

diesel::table! {
    /// Unreviewed translations that a clinic has accepted, and withdrawn.
    accepted_locales (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// What the audit trail calls it.
        id -> Uuid,
        /// The protocol version.
        version_id -> Uuid,
        /// The language of the texts.
        locale -> Text,
        /// The texts that were accepted: others in the same language are not.
        content_hash -> Bytea,
        /// Which administrator accepted them.
        accepted_by -> Uuid,
        /// When (wall clock).
        accepted_at -> Timestamptz,
        /// Which administrator withdrew that.
        withdrawn_by -> Nullable<Uuid>,
        /// When (wall clock); absent while it holds.
        withdrawn_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// When which alert is to be tried. An entry counts while its alert is scheduled for that very moment.
    alert_queue (at, id) {
        /// The alert's next_attempt_at.
        at -> Timestamptz,
        /// First come, first served.
        id -> Int8,
        /// The alert's clinic.
        clinic_id -> Uuid,
        /// The alert.
        alert_id -> Uuid,
    }
}

diesel::table! {
    /// One message owed to one person at one time: the queue, the inbox and the record.
    alerts (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Computed from clinic, recipient and dedupe key.
        id -> Uuid,
        /// patient: a patient record; member: a staff membership.
        recipient_kind -> Text,
        /// The patient record or membership.
        recipient_id -> Uuid,
        /// What is owed, so that planning twice owes it once.
        dedupe_key -> Text,
        /// What the person can switch off.
        category -> Text,
        /// Ignores quiet hours; sent with high urgency.
        urgent -> Bool,
        /// The treatment it is about.
        treatment_id -> Nullable<Uuid>,
        /// The flag it is about.
        flag_id -> Nullable<Uuid>,
        /// Only this device (a test push); otherwise all of the recipient's.
        device_id -> Nullable<Uuid>,
        /// Where the text comes from.
        protocol_version_id -> Nullable<Uuid>,
        /// Which item of the protocol it announces.
        item_key -> Nullable<Text>,
        /// Zero-based local day of the occurrence, where it has one.
        day_index -> Nullable<Int4>,
        /// Which of the item's alerts of that day, where it has several.
        seq -> Nullable<Int4>,
        /// The moment from which it is owed (care clock).
        due_at -> Timestamptz,
        /// The moment from which it may be claimed: due_at, or later after a failed try.
        next_attempt_at -> Timestamptz,
        /// The moment from which it is worth nothing.
        expires_at -> Timestamptz,
        /// scheduled and sending are live, all others are final.
        state -> Text,
        /// Why it ended as it did.
        reason -> Nullable<Text>,
        /// The replan that last changed it.
        plan_revision -> Int4,
        /// It left the plan while being sent: do not try again.
        superseded -> Bool,
        /// Counts claims and never falls: the fence against late writers.
        claim_no -> Int4,
        /// Tries that count against the limit.
        tries -> Int4,
        /// The worker that is sending it.
        claimed_by -> Nullable<Int4>,
        /// When a provider accepted it (care clock).
        sent_at -> Nullable<Timestamptz>,
        /// When the app said that the person opened it (care clock).
        opened_at -> Nullable<Timestamptz>,
        /// When it reached a final state (care clock).
        finalized_at -> Nullable<Timestamptz>,
        /// It ended without having been sent, although it was owed until then. Claims do not change it.
        unsent -> Bool,
        /// If it was not sent by then, it is planned anew instead (care clock); none: it is sent whenever it can be.
        slot_ends_at -> Nullable<Timestamptz>,
        /// The alert that tells it.
        merged_into -> Nullable<Uuid>,
    }
}

diesel::table! {
    /// Dates that a clinic has set with its patients.
    appointments (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the caller or the server.
        id -> Uuid,
        /// With whom.
        patient_id -> Uuid,
        /// The course that a session belongs to.
        course_id -> Nullable<Uuid>,
        /// session: the next treatment; follow_up: a look at the recovery.
        kind -> Text,
        /// set or cancelled.
        status -> Text,
        /// When it begins.
        starts_at -> Timestamptz,
        /// How long it takes.
        minutes -> Int4,
        /// IANA zone of the clinic when the date was set: its times are told in it.
        time_zone -> Text,
        /// What the patient should know.
        note -> Nullable<Text>,
        /// Counts what the patient is to be told of it: set, moved, cancelled. Reminders carry it, so that those of another date are others.
        announced_no -> Int4,
        /// When it was last set, moved or cancelled (care clock).
        announced_at -> Timestamptz,
        /// Counts edits; the strong ETag.
        version -> Int4,
        /// Who set it.
        created_by -> Uuid,
        /// When (care clock).
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// Each try to hand an alert to one device's provider. Append-only, a partition a month.
    attempts (clinic_id, alert_id, device_id, claim_no, at) {
        /// When the answer came (wall clock).
        at -> Timestamptz,
        /// The clinic.
        clinic_id -> Uuid,
        /// The alert.
        alert_id -> Uuid,
        /// The device; it may be gone by now.
        device_id -> Uuid,
        /// The claim under which it was sent.
        claim_no -> Int4,
        /// Who carried it.
        provider -> Text,
        /// What the provider's answer means.
        outcome -> Text,
        /// The provider's own word for it.
        reason -> Nullable<Text>,
        /// The provider's id of the message.
        provider_message_id -> Nullable<Text>,
        /// From handing over to the answer, in milliseconds.
        duration_ms -> Int4,
    }
}

diesel::table! {
    /// Who did what to whose record. Append-only, a partition a month.
    audit (clinic_id, at, id) {
        /// When (wall clock).
        at -> Timestamptz,
        /// Tells entries of one instant apart.
        id -> Uuid,
        /// The clinic.
        clinic_id -> Uuid,
        /// The login that acted; absent for the server itself.
        actor_id -> Nullable<Uuid>,
        /// Its role then, or operator.
        actor_role -> Text,
        /// What was done, as resource.verb.
        action -> Text,
        /// What kind of thing it was done to.
        subject_kind -> Text,
        /// Which one.
        subject_id -> Uuid,
        /// Whose record was touched.
        patient_id -> Nullable<Uuid>,
        /// The request, as in the log.
        request_id -> Nullable<Uuid>,
        /// Where the request came from, as far as proxies can be believed; absent for the operator and the server itself.
        address -> Nullable<Text>,
    }
}

diesel::table! {
    /// What a clinic's audit trail held of a day once the day was over: a chain, each link under the server's key.
    audit_seals (clinic_id, day) {
        /// The clinic.
        clinic_id -> Uuid,
        /// The day, in UTC.
        day -> Date,
        /// How many entries there were.
        entries -> Int8,
        /// SHA-256 over all of them, in order of time and id.
        digest -> Bytea,
        /// The seal of the day before; absent on a clinic's first.
        previous -> Nullable<Bytea>,
        /// HMAC-SHA-256 over all of the above and the moment, under a key derived from the secret key.
        seal -> Bytea,
        /// When it was made (wall clock).
        sealed_at -> Timestamptz,
    }
}

diesel::table! {
    /// Addresses at which a patient's calendar reads what is ahead.
    calendar_feeds (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the server.
        id -> Uuid,
        /// Whose recovery it shows.
        patient_id -> Uuid,
        /// The login that made it: its language and wishes apply.
        user_id -> Uuid,
        /// SHA-256 of the secret in the address.
        token_hash -> Bytea,
        /// What the person calls it, to tell several apart.
        label -> Nullable<Text>,
        /// When it was made (wall clock).
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// Symptom reports.
    check_ins (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the app or the server.
        id -> Uuid,
        /// The treatment it is about.
        treatment_id -> Uuid,
        /// Whose report.
        patient_id -> Uuid,
        /// By the phone's clock.
        recorded_at -> Timestamptz,
        /// When the server heard of it (care clock).
        received_at -> Timestamptz,
        /// The form as filled in, validated.
        symptoms -> Jsonb,
        /// In the person's own words.
        note -> Nullable<Text>,
        /// What triage made of it.
        level -> Text,
        /// Keys of the advice texts that were shown.
        advice -> Array<Text>,
        /// The login that entered it: the patient's own or staff.
        entered_by -> Uuid,
    }
}

diesel::table! {
    /// What each claim took, until all of it is settled. What is left when its lease is over or its worker gone is put back.
    claims (id) {
        /// Random.
        id -> Uuid,
        /// The worker that claimed.
        worker -> Int4,
        /// When the claim ends by itself (database clock).
        lease_until -> Timestamptz,
        /// The alerts' clinics,
        clinic_ids -> Array<Uuid>,
        /// their ids,
        alert_ids -> Array<Uuid>,
        /// and the number that each of them had with this claim.
        claim_nos -> Array<Int4>,
    }
}

diesel::table! {
    /// The tenants.
    clinics (id) {
        /// Chosen by the server.
        id -> Uuid,
        /// As shown to staff and patients inside the app; never in a push.
        name -> Text,
        /// IANA zone of the clinic; patients without one of their own get it.
        time_zone -> Text,
        /// Language tag used where neither the request nor the user says otherwise.
        locale -> Text,
        /// Key of the protocol that a treatment gets when nobody chooses one.
        default_protocol -> Text,
        /// Local time from which patients are left alone, unless they say otherwise.
        quiet_from -> Time,
        /// Local time until which patients are left alone.
        quiet_to -> Time,
        /// Share of on-time tasks (basis points) below which a patient asks for attention.
        low_compliance_bp -> Int4,
        /// Whether check-ins are triaged; off, they are only stored and shown.
        triage_enabled -> Bool,
        /// Whom to call in an emergency, as shown to patients.
        emergency_line -> Nullable<Text>,
        /// How patients reach the clinic with a question.
        contact_line -> Nullable<Text>,
        /// Made by the demo, which touches no other clinic.
        demo -> Bool,
        /// Counts edits; the strong ETag.
        version -> Int4,
        /// When the clinic was set up (wall clock).
        created_at -> Timestamptz,
        /// How long an urgent flag waits before all clinicians are told.
        escalate_clinicians_minutes -> Int4,
        /// How long it waits before the administrators are told.
        escalate_administrators_minutes -> Int4,
        /// Whom patients turn to while the clinic is closed, in its own words.
        out_of_hours_text -> Nullable<Text>,
        /// Whether staff are told of patients who keep to little.
        nudge_enabled -> Bool,
        /// Below this share done at all (basis points) they are told.
        nudge_below_bp -> Int4,
        /// Over how many of the patient's last days, today included.
        nudge_days -> Int4,
        /// So many tasks must have closed on them: fewer say nothing.
        nudge_min_tasks -> Int4,
        /// Whether staff do nothing here without a second factor.
        require_second_factor -> Bool,
        /// For how many years the clinic has to keep the record of a patient who left.
        retention_years -> Int4,
        /// When the operator closed it: nobody belongs to it since (wall clock).
        closed_at -> Nullable<Timestamptz>,
        /// When it is final: a worker erases the clinic then (wall clock).
        erase_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Clinicians' word on what a patient's waiting times wait for. Append-only: the latest word of anybody counts.
    condition_decisions (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the caller or the server.
        id -> Uuid,
        /// The treatment.
        treatment_id -> Uuid,
        /// The condition, as the pinned protocol version names it.
        condition_key -> Text,
        /// Whether it has ended, or goes on although a check-in said otherwise.
        ended -> Bool,
        /// Why, in the clinician's words; for staff.
        reason -> Text,
        /// Whose word it is.
        decided_by -> Uuid,
        /// When (care clock).
        decided_at -> Timestamptz,
    }
}

diesel::table! {
    /// What people agreed to; a row for each time. One of a kind stands at most.
    consents (user_id, id) {
        /// Who.
        user_id -> Uuid,
        /// Tells the times apart, in their order.
        id -> Uuid,
        /// To what.
        kind -> Text,
        /// In which version of the words.
        version -> Text,
        /// When (wall clock).
        given_at -> Timestamptz,
        /// When it was taken back, or given to another version instead (wall clock).
        withdrawn_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Sequences of sessions, one open one per patient and area.
    courses (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the caller or the server.
        id -> Uuid,
        /// Whose it is.
        patient_id -> Uuid,
        /// planned (no session yet), running, completed or cancelled.
        status -> Text,
        /// Treated area: treatments of it join.
        area -> Text,
        /// The protocol that its sessions get unless staff choose another.
        protocol_key -> Text,
        /// How many sessions it is to have, earlier ones included.
        planned_sessions -> Int4,
        /// How many of them took place before anything was recorded here.
        earlier_sessions -> Int4,
        /// Days from one session until the next is due.
        interval_min_days -> Int4,
        /// Days from one session until the next is overdue.
        interval_max_days -> Int4,
        /// The clinic's notes.
        notes -> Nullable<Text>,
        /// Counts edits; the strong ETag.
        version -> Int4,
        /// Who planned it.
        created_by -> Uuid,
        /// When (care clock).
        created_at -> Timestamptz,
        /// When it was completed or cancelled (care clock).
        ended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Phones and browsers that may be addressed. An address belongs to one login at a time.
    devices (id) {
        /// Chosen by the app.
        id -> Uuid,
        /// Who is logged in on it.
        user_id -> Uuid,
        /// The login that registered it; ending that login removes the device.
        session_id -> Nullable<Uuid>,
        /// Who carries its messages.
        provider -> Text,
        /// The app at the provider; empty where there is but one.
        app_id -> Text,
        /// APNs environment; production elsewhere.
        environment -> Text,
        /// What the address is: FCM registration token or installation id, else the provider's token or endpoint.
        address_kind -> Text,
        /// SHA-256 of the address, so that it can be unique without being readable.
        address_hash -> Bytea,
        /// Address and keys as JSON, AES-256-GCM under the server's key, bound to the device id.
        address_sealed -> Bytea,
        /// Language of the phone.
        locale -> Text,
        /// IANA zone the phone was in when the app was last in the foreground.
        time_zone -> Text,
        /// Whether the person lets the app notify.
        permission -> Text,
        /// When this address was last registered (wall clock); dead-address reports older than this are ignored.
        registered_at -> Timestamptz,
        /// When the app last told us about itself (wall clock).
        last_seen_at -> Timestamptz,
        /// Since when the address is suspect and left alone until the app registers again.
        quarantined_at -> Nullable<Timestamptz>,
        /// The provider's word for it.
        quarantine_reason -> Nullable<Text>,
        /// Which of the server's keys a Web Push subscription was made with; absent elsewhere and where the device never told.
        vapid_key_id -> Nullable<Text>,
        /// SHA-256 of the secret part of the token that the last registration was answered with. Good for 90 days after it.
        fetch_token_hash -> Nullable<Bytea>,
        /// Likewise of the registration before: still good, since an app may not have got the last answer.
        fetch_token_before -> Nullable<Bytea>,
    }
}

diesel::table! {
    /// Urgent flags that nobody has seen yet: who was told last, and when it is looked at again.
    escalations (clinic_id, flag_id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// The flag; of several that one report raised, the most pressing one.
        flag_id -> Uuid,
        /// Since when it waits: raised or opened again (care clock).
        opened_at -> Timestamptz,
        /// Who was told last: treating, clinicians or administrators.
        step -> Text,
        /// When they were told (care clock).
        told_at -> Timestamptz,
        /// When it is looked at again (care clock); absent where nobody is left to be told.
        wake_at -> Nullable<Timestamptz>,
        /// Since when it is known that nobody can be reached (care clock).
        unreached_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Tasks that the clinic excuses: they leave compliance, and nobody is reminded of them. Removed when withdrawn; the audit trail keeps both.
    excuses (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the caller or the server.
        id -> Uuid,
        /// The treatment.
        treatment_id -> Uuid,
        /// Only this item; absent: all.
        item_key -> Nullable<Text>,
        /// Only this position within the day; absent: all.
        seq -> Nullable<Int4>,
        /// First local date.
        from_on -> Date,
        /// Last local date, included.
        to_on -> Date,
        /// Why, in the clinic's words; for staff.
        reason -> Text,
        /// Who excused it.
        excused_by -> Uuid,
        /// When (care clock).
        excused_at -> Timestamptz,
    }
}

diesel::table! {
    /// Who did what about a flag.
    flag_events (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the server.
        id -> Uuid,
        /// The flag.
        flag_id -> Uuid,
        /// What happened.
        kind -> Text,
        /// The report that did it; absent where a person or time did.
        check_in_id -> Nullable<Uuid>,
        /// Who did it; absent where a report or time did.
        actor_id -> Nullable<Uuid>,
        /// The actor's note.
        note -> Nullable<Text>,
        /// When (care clock).
        at -> Timestamptz,
        /// Who was told when it was escalated: clinicians, administrators.
        step -> Nullable<Text>,
    }
}

diesel::table! {
    /// Red flags raised by triage, until the clinic has closed them.
    flags (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the server.
        id -> Uuid,
        /// The treatment it is about.
        treatment_id -> Uuid,
        /// Whose it is.
        patient_id -> Uuid,
        /// The report that raised it.
        check_in_id -> Uuid,
        /// The triage rule.
        rule -> Text,
        /// Counts from 1; a rule that fires again after it was resolved opens the next.
        episode -> Int4,
        /// The highest level it has reached.
        level -> Text,
        /// open, acknowledged or resolved.
        status -> Text,
        /// When it was raised (care clock).
        opened_at -> Timestamptz,
        /// When a report last confirmed it (care clock).
        last_reported_at -> Timestamptz,
        /// When somebody took it on.
        acknowledged_at -> Nullable<Timestamptz>,
        /// When the patient was last contacted about it.
        contacted_at -> Nullable<Timestamptz>,
        /// When it was closed.
        resolved_at -> Nullable<Timestamptz>,
        /// How it ended, in the clinic's words.
        outcome -> Nullable<Text>,
        /// Counts changes; the strong ETag.
        version -> Int4,
        /// Counts from 1; raising its level or opening it again begins the next: staff are told once in each.
        opening -> Int4,
    }
}

diesel::table! {
    /// Requests already answered, kept for 24 hours.
    idempotency_keys (clinic_id, user_id, key) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Whose key it is.
        user_id -> Uuid,
        /// The Idempotency-Key header.
        key -> Text,
        /// The operation it was used for.
        operation -> Text,
        /// SHA-256 of the request body.
        fingerprint -> Bytea,
        /// What was made; the answer is rendered from it anew.
        resource_id -> Uuid,
        /// When (wall clock).
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// One-time codes through which people join a clinic.
    invitations (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the server.
        id -> Uuid,
        /// SHA-256 of the code, which is shown once.
        code_hash -> Bytea,
        /// What the person becomes.
        role -> Text,
        /// The record that a patient's login will be linked to.
        patient_id -> Nullable<Uuid>,
        /// If given, only this address may accept.
        email -> Nullable<Text>,
        /// Who invited; absent where the server's operator did.
        created_by -> Nullable<Uuid>,
        /// When (wall clock).
        created_at -> Timestamptz,
        /// Useless from then on.
        expires_at -> Timestamptz,
        /// When it was used (wall clock).
        accepted_at -> Nullable<Timestamptz>,
        /// The login that used it.
        accepted_by -> Nullable<Uuid>,
        /// When the clinic took it back.
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// What a phone rings for by itself: its push waits, and is not sent if the phone says that it has shown it.
    local_reminders (device_id, alert_id) {
        /// The phone.
        device_id -> Uuid,
        /// The alert.
        alert_id -> Uuid,
        /// When the phone rings. An alert that is due at another moment by now is pushed as if nothing had been said.
        due_at -> Timestamptz,
        /// The promise holds until then (care clock).
        until_at -> Timestamptz,
        /// When the app said that the person has seen it (care clock).
        shown_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Logins whose deletion was asked for and can still be taken back.
    login_deletions (user_id) {
        /// The login.
        user_id -> Uuid,
        /// When its person asked for it (wall clock).
        requested_at -> Timestamptz,
        /// When it is final: a worker erases the login then (wall clock).
        erase_at -> Timestamptz,
    }
}

diesel::table! {
    /// A login's role at one clinic.
    memberships (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Stable name of this membership; staff alerts are addressed to it.
        id -> Uuid,
        /// The login.
        user_id -> Uuid,
        /// patient, clinician or administrator.
        role -> Text,
        /// When the invitation was accepted (wall clock).
        created_at -> Timestamptz,
        /// When the membership ended; the row stays for the record.
        removed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// When patients had a mode of their protocols switched on, such as outdoors.
    mode_spans (clinic_id, patient_id, mode, from_at) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Who switched it on.
        patient_id -> Uuid,
        /// The mode's name in the protocol.
        mode -> Text,
        /// Switched on (care clock).
        from_at -> Timestamptz,
        /// Switched off, or over by itself (care clock).
        to_at -> Timestamptz,
    }
}

diesel::table! {
    /// What a person wants to be told, and when. No row: the defaults.
    notification_preferences (user_id) {
        /// Whose wishes.
        user_id -> Uuid,
        /// Local time from which to be left alone; the clinic's where absent.
        quiet_from -> Nullable<Time>,
        /// Local time until which to be left alone; the clinic's where absent.
        quiet_to -> Nullable<Time>,
        /// Local time for what has no time of its own; 09:00 where absent.
        preferred_time -> Nullable<Time>,
        /// Categories of alerts that are not wanted.
        categories_off -> Array<Text>,
        /// The person agreed to details on the lock screen.
        show_details -> Bool,
        /// At most this many reminders a day.
        daily_cap -> Int4,
        /// device: follow the phone; home: keep the home zone.
        zone_mode -> Text,
        /// Nothing at all for now.
        paused -> Bool,
        /// Counts edits; the strong ETag.
        version -> Int4,
        /// Last edit (wall clock).
        updated_at -> Timestamptz,
        /// At least this long between two reminders.
        minimum_gap_minutes -> Int4,
    }
}

diesel::table! {
    /// When a worker next goes through a clinic's patients, and how far it has come.
    nudge_rounds (clinic_id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// The end of the clinic's quiet hours, once a day (care clock).
        due_at -> Timestamptz,
        /// The last patient looked at; absent between rounds.
        after_patient -> Nullable<Uuid>,
    }
}

diesel::table! {
    /// Patients who kept to little of what was asked, as staff were told. At most one per patient is live.
    nudges (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the server.
        id -> Uuid,
        /// Who.
        patient_id -> Uuid,
        /// The treatment they were recovering from.
        treatment_id -> Uuid,
        /// When staff were told (care clock).
        raised_at -> Timestamptz,
        /// Share done at all then, in basis points.
        completion_bp -> Int4,
        /// The clinic's threshold then.
        below_bp -> Int4,
        /// Over how many days, then.
        days -> Int4,
        /// How many tasks had closed on them.
        closed_tasks -> Int8,
        /// Until then it was live (care clock).
        ended_at -> Nullable<Timestamptz>,
        /// acknowledged, recovered (the share has risen), or over (the treatment ended, or the clinic switched it off).
        ended_as -> Nullable<Text>,
        /// Who acknowledged it.
        ended_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    /// What the patient did with a task. Append-only: the latest by recorded_at counts.
    outcomes (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the app, so that a replay changes nothing.
        id -> Uuid,
        /// The treatment.
        treatment_id -> Uuid,
        /// The task: computed from treatment, item, day and sequence.
        task_id -> Uuid,
        /// The routine.
        item_key -> Text,
        /// Zero-based local day.
        day_index -> Int4,
        /// Occurrence within the day.
        seq -> Int4,
        /// done, skipped or undone (taken back).
        kind -> Text,
        /// Why it was skipped, if the person said.
        reason -> Nullable<Text>,
        /// By the phone's clock.
        recorded_at -> Timestamptz,
        /// When the server heard of it (care clock).
        received_at -> Timestamptz,
        /// Start of the window it was judged by.
        open_at -> Timestamptz,
        /// End of the window it was judged by, grace included.
        close_at -> Timestamptz,
        /// The login that entered it: the patient's own or staff.
        entered_by -> Uuid,
    }
}

diesel::table! {
    /// Where the person was, and since when. Windows already closed are never judged anew.
    patient_zones (clinic_id, patient_id, valid_from) {
        /// The clinic.
        clinic_id -> Uuid,
        /// The patient.
        patient_id -> Uuid,
        /// From this instant on (care clock).
        valid_from -> Timestamptz,
        /// IANA zone.
        zone -> Text,
    }
}

diesel::table! {
    /// The clinic's records of people.
    patients (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the caller or the server.
        id -> Uuid,
        /// The login behind the record, once an invitation was accepted.
        user_id -> Nullable<Uuid>,
        /// The person's name as the clinic writes it.
        display_name -> Text,
        /// IANA home zone.
        time_zone -> Text,
        /// Language tag for what the person reads.
        locale -> Text,
        /// The clinic's own file number.
        reference -> Nullable<Text>,
        /// How the clinic reaches the person.
        phone -> Nullable<Text>,
        /// When the invitation was accepted (care clock); tasks count from then at the earliest.
        linked_at -> Nullable<Timestamptz>,
        /// Counts replans of everything this person is owed.
        plan_revision -> Int4,
        /// Counts edits; the strong ETag.
        version -> Int4,
        /// Who made the record; absent where the server's operator did.
        created_by -> Nullable<Uuid>,
        /// When (care clock).
        created_at -> Timestamptz,
        /// When the person erased the login behind the record, or its time was over: it is read-only since (wall clock).
        detached_at -> Nullable<Timestamptz>,
        /// When the record and all of it goes, once nobody stands behind it (wall clock): set when the person asked for the end of the login and was told so, or when the clinic ended the membership.
        purge_at -> Nullable<Timestamptz>,
        /// When the clinic ended the membership of whoever stood behind the record, until somebody does again (wall clock).
        unlinked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Protocols that a clinic is writing; gone once published.
    protocol_drafts (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// The id that the version gets once it is published.
        id -> Uuid,
        /// What protocol.toml calls itself, where it says so.
        key -> Nullable<Text>,
        /// Which version it calls itself, where it says so.
        number -> Nullable<Int4>,
        /// protocol.toml as written, faults included.
        structure -> Text,
        /// Language tags of the texts.
        locales -> Array<Text>,
        /// The texts file of each of them as written.
        texts -> Array<Text>,
        /// Counts edits; the strong ETag.
        version -> Int4,
        /// Who began it.
        created_by -> Uuid,
        /// When (wall clock).
        created_at -> Timestamptz,
        /// Who edited it last.
        updated_by -> Uuid,
        /// When (wall clock).
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// A version's texts by locale. Other locales than the base may come later.
    protocol_texts (version_id, locale) {
        /// The version.
        version_id -> Uuid,
        /// Language tag.
        locale -> Text,
        /// SHA-256 of the texts.
        content_hash -> Bytea,
        /// The texts file as published.
        texts -> Text,
        /// Whether a clinician has read them; unreviewed texts are not served unless a clinic accepts them.
        reviewed -> Bool,
        /// When this database first knew them (wall clock).
        registered_at -> Timestamptz,
    }
}

diesel::table! {
    /// Published protocol versions. They never change.
    protocol_versions (id) {
        /// Computed from key and version for built-ins.
        id -> Uuid,
        /// Name of the protocol.
        key -> Text,
        /// Counts published versions.
        version -> Int4,
        /// SHA-256 over structure and base locale; the same number never has another content.
        content_hash -> Bytea,
        /// protocol.toml as published.
        structure -> Text,
        /// The locale whose texts belong to the version.
        base_locale -> Text,
        /// When this database first knew it (wall clock).
        registered_at -> Timestamptz,
        /// Whose it is; absent for built-ins, which are everybody's.
        clinic_id -> Nullable<Uuid>,
        /// Who published it; absent for built-ins.
        published_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    /// Protocol versions that a clinic no longer uses.
    protocol_withdrawals (clinic_id, version_id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// The version.
        version_id -> Uuid,
        /// From when no new treatment gets it (wall clock).
        retired_at -> Timestamptz,
        /// Which administrator said so.
        retired_by -> Uuid,
        /// Why.
        retired_because -> Text,
        /// From when nothing more is told by it (wall clock); absent where it is only retired.
        recalled_at -> Nullable<Timestamptz>,
        /// Which administrator said so.
        recalled_by -> Nullable<Uuid>,
        /// Why.
        recalled_because -> Nullable<Text>,
    }
}

diesel::table! {
    /// What each worker knows of push services: written when something changes and every thirty seconds.
    push_health (worker, provider, service) {
        /// The worker, under a name of its own for each start.
        worker -> Uuid,
        /// The provider.
        provider -> Text,
        /// Which of its services: an origin for Web Push, an environment for APNs, else the provider itself.
        service -> Text,
        /// The worker has credentials for it.
        configured -> Bool,
        /// Used, left alone, being tried, or used more and more.
        state -> Text,
        /// What kind of trouble it is in or comes out of.
        cause -> Nullable<Text>,
        /// The service's own word for it.
        reason -> Nullable<Text>,
        /// When the trouble began (wall clock).
        since -> Nullable<Timestamptz>,
        /// When the service is tried again (wall clock).
        until -> Nullable<Timestamptz>,
        /// Pauses of this trouble before this one.
        round -> Int4,
        /// Alerts that this worker put off because of it.
        waiting -> Int8,
        /// Messages that it took from this worker within the last hour.
        accepted -> Int8,
        /// Messages that it did not take within the last hour.
        failed -> Int8,
        /// When the worker wrote this (wall clock).
        seen_at -> Timestamptz,
    }
}

diesel::table! {
    /// Accepted messages whose fate the provider tells later. Rows live a day at most.
    receipts (clinic_id, provider, receipt_id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Whom to ask.
        provider -> Text,
        /// What to ask for: the id under which the provider accepted the message.
        receipt_id -> Text,
        /// The alert.
        alert_id -> Uuid,
        /// The device; it may be gone by now.
        device_id -> Uuid,
        /// The claim under which it was sent.
        claim_no -> Int4,
        /// When the provider accepted it (wall clock).
        accepted_at -> Timestamptz,
        /// When to ask next (wall clock); moved ahead by whoever asks, so that nobody else does meanwhile.
        ask_at -> Timestamptz,
    }
}

diesel::table! {
    /// One-time codes that stand in for an authenticator app. A used one is gone.
    recovery_codes (code_hash) {
        /// SHA-256 of the code.
        code_hash -> Bytea,
        /// Whose login it opens, together with the password.
        user_id -> Uuid,
        /// When it was made (wall clock).
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// Opaque refresh tokens, hashed. A successor is an HMAC of its parent, so a lost answer can be asked for again.
    refresh_tokens (token_hash) {
        /// SHA-256 of the token.
        token_hash -> Bytea,
        /// The family it belongs to.
        session_id -> Uuid,
        /// The token it was exchanged for.
        parent_hash -> Nullable<Bytea>,
        /// When it was first issued (wall clock).
        issued_at -> Timestamptz,
        /// When it was exchanged; it may be presented again only until its successor is used.
        rotated_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Patients whom a worker plans for anew: something changed that is not theirs alone.
    replans (clinic_id, patient_id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Who is planned for.
        patient_id -> Uuid,
        /// How often it was asked for: a plan answers only what was asked before it was made.
        times -> Int4,
    }
}

diesel::table! {
    /// One-time codes that a clinic hands out for a forgotten password.
    reset_codes (code_hash) {
        /// SHA-256 of the code.
        code_hash -> Bytea,
        /// Whose password may be set.
        user_id -> Uuid,
        /// The clinic that issued it.
        clinic_id -> Uuid,
        /// The administrator who issued it; absent where the server's operator did.
        issued_by -> Nullable<Uuid>,
        /// When (wall clock).
        issued_at -> Timestamptz,
        /// Useless from then on.
        expires_at -> Timestamptz,
        /// When it was used.
        used_at -> Nullable<Timestamptz>,
        /// It was asked for at the login's address and sent there; otherwise somebody hands it out.
        by_mail -> Bool,
    }
}

diesel::table! {
    /// Restores from a backup that somebody has followed up.
    restores (id) {
        /// Chosen by the server.
        id -> Uuid,
        /// The last moment that the backup knew of, or the one that the operator named (wall clock).
        restored_to -> Timestamptz,
        /// When that was done (wall clock): what happens later happened to the restored database.
        followed_up_at -> Timestamptz,
    }
}

diesel::table! {
    /// Authenticator apps of logins, at most one each.
    second_factors (user_id) {
        /// Whose login it guards.
        user_id -> Uuid,
        /// The shared secret, AES-256-GCM under the server's key, bound to the login.
        secret_sealed -> Bytea,
        /// When the secret was made (wall clock).
        created_at -> Timestamptz,
        /// When a first code proved that the app has the secret (wall clock); asked for only from then on.
        confirmed_at -> Nullable<Timestamptz>,
        /// The time step of the last code used: it and earlier ones are void.
        last_step -> Nullable<Int8>,
        /// Wrong codes since the last right one.
        failures -> Int4,
        /// When the last wrong one came (wall clock).
        failed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// A family of rotating refresh tokens: one login on one app.
    sessions (id) {
        /// Named in access tokens as sid.
        id -> Uuid,
        /// Whose login it is.
        user_id -> Uuid,
        /// The membership's clinic that new access tokens name.
        clinic_id -> Uuid,
        /// Login (wall clock).
        created_at -> Timestamptz,
        /// Last refresh (wall clock).
        last_used_at -> Timestamptz,
        /// Ends if unused until then: 180 days after the last refresh.
        idle_expires_at -> Timestamptz,
        /// Ends then in any case: one year after the login.
        expires_at -> Timestamptz,
        /// When it was ended early.
        revoked_at -> Nullable<Timestamptz>,
        /// Why it was ended early.
        revoked_because -> Nullable<Text>,
        /// What the app calls the phone or browser it runs on; absent where it did not say.
        device_name -> Nullable<Text>,
    }
}

diesel::table! {
    /// Alerts that patients asked to hear later.
    snoozes (clinic_id, patient_id, dedupe_key) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Who asked.
        patient_id -> Uuid,
        /// The alert, as the plan owes it.
        dedupe_key -> Text,
        /// How often it was put off.
        times -> Int4,
        /// Not before this (care clock).
        until_at -> Timestamptz,
    }
}

diesel::table! {
    /// Each thing that a patient's app keeps, and the latest transaction that changed it.
    sync_entries (clinic_id, patient_id, kind, entity_id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Whose app.
        patient_id -> Uuid,
        /// What it is.
        kind -> Text,
        /// Which one; of preferences, whose login.
        entity_id -> Uuid,
        /// Number of the latest transaction that changed it; 0: before numbers were given.
        commit_no -> Int8,
        /// It was removed.
        gone -> Bool,
        /// When a worker first saw that it is gone (care clock); forgotten some time after.
        gone_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// How many transactions have changed something that a patient's app keeps.
    sync_logs (clinic_id, patient_id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Whose app.
        patient_id -> Uuid,
        /// Counts those transactions: each takes its number as the last thing that it does, and nobody takes the next before it has ended.
        commits -> Int8,
        /// What went with this number or an earlier one may be forgotten.
        forgotten_to -> Int8,
    }
}

diesel::table! {
    /// What a treatment followed before, and what it has followed since.
    treatment_changes (clinic_id, treatment_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// The treatment.
        treatment_id -> Uuid,
        /// Of two at one moment the later is larger.
        id -> Uuid,
        /// What it pinned before.
        from_version_id -> Uuid,
        /// What it pinned from then on.
        to_version_id -> Uuid,
        /// When (care clock). Tasks whose window was over by then stay as they were.
        changed_at -> Timestamptz,
        /// Tasks that stay as they were although their window was open: those that were done or skipped.
        kept -> Array<Uuid>,
        /// Why, in the words of whoever did it; lifting a change needs no reason.
        reason -> Nullable<Text>,
        /// Who did it.
        changed_by -> Uuid,
        /// The item that was changed; absent where the version was.
        item_key -> Nullable<Text>,
        /// What it was changed to; absent where it is as the version has it again.
        change -> Nullable<Jsonb>,
    }
}

diesel::table! {
    /// Microneedling sessions that were performed.
    treatments (clinic_id, id) {
        /// The clinic.
        clinic_id -> Uuid,
        /// Chosen by the caller or the server.
        id -> Uuid,
        /// Who was treated.
        patient_id -> Uuid,
        /// Membership of the treating clinician, who is told first about flags.
        clinician_id -> Nullable<Uuid>,
        /// unconfirmed (registered by the patient's app), active, completed or cancelled.
        status -> Text,
        /// T0: the end of the session.
        performed_at -> Timestamptz,
        /// The patient's local date at T0: day index 0.
        anchor_on -> Date,
        /// Tasks that close before this instant leave the denominator: registration, or the last move to another day (care clock).
        counts_from -> Timestamptz,
        /// When it was last moved to another day (care clock). What was said of tasks before was said of other days.
        moved_at -> Nullable<Timestamptz>,
        /// The pinned protocol version.
        protocol_version_id -> Uuid,
        /// Why staff use the protocol outside the areas and modalities it was written for.
        protocol_reason -> Nullable<Text>,
        /// Treated area.
        area -> Text,
        /// Plain microneedling or a combination.
        modality -> Text,
        /// Device used, as the clinic writes it.
        device -> Nullable<Text>,
        /// Needle depth in micrometres.
        needle_depth_um -> Nullable<Int4>,
        /// Products used in the session.
        products -> Array<Text>,
        /// Which session of the course it was.
        session_number -> Nullable<Int4>,
        /// The clinic's notes.
        notes -> Nullable<Text>,
        /// Counts edits; the strong ETag.
        version -> Int4,
        /// Counts replans.
        plan_revision -> Int4,
        /// Counts outcomes and check-ins.
        activity -> Int4,
        /// Weight of tasks done at all, as of the last outcome or replan.
        done_w -> Int8,
        /// Weight of tasks done on time, as of the last outcome or replan.
        on_time_w -> Int8,
        /// For tasks done before their window and grace had ended: when those will have.
        early_until -> Array<Timestamptz>,
        /// Their weights: part of done_w, and closed before their time.
        early_w -> Array<Int8>,
        /// Who registered it.
        created_by -> Uuid,
        /// When (care clock).
        created_at -> Timestamptz,
        /// When the clinic confirmed it (care clock).
        confirmed_at -> Nullable<Timestamptz>,
        /// When it was completed or cancelled (care clock).
        ended_at -> Nullable<Timestamptz>,
        /// How often what it follows was changed.
        changes -> Int4,
        /// The course it is a session of; session_number follows from it then.
        course_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    /// Logins, global.
    users (id) {
        /// Chosen by the server.
        id -> Uuid,
        /// Lower-cased; the login name.
        email -> Text,
        /// Argon2id, PHC string.
        password_hash -> Text,
        /// As the person wants to be called.
        display_name -> Text,
        /// IANA zone the person calls home.
        time_zone -> Text,
        /// Preferred language tag.
        locale -> Text,
        /// Access tokens issued before this instant are refused (wall clock).
        tokens_valid_after -> Timestamptz,
        /// Counts edits; the strong ETag.
        version -> Int4,
        /// When the login was made (wall clock).
        created_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    accepted_locales,
    alert_queue,
    alerts,
    appointments,
    attempts,
    audit,
    audit_seals,
    calendar_feeds,
    check_ins,
    clinics,
    condition_decisions,
    consents,
    courses,
    devices,
    escalations,
    excuses,
    flag_events,
    flags,
    idempotency_keys,
    invitations,
    local_reminders,
    login_deletions,
    memberships,
    mode_spans,
    notification_preferences,
    nudge_rounds,
    nudges,
    outcomes,
    patient_zones,
    patients,
    protocol_drafts,
    protocol_texts,
    protocol_versions,
    protocol_withdrawals,
    receipts,
    recovery_codes,
    refresh_tokens,
    replans,
    reset_codes,
    restores,
    second_factors,
    sessions,
    snoozes,
    sync_entries,
    sync_logs,
    treatment_changes,
    treatments,
    users
);
