-- Protocols are data; a treatment pins one version of one.

CREATE TABLE protocol_versions (
    id uuid PRIMARY KEY,
    key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9-]{0,63}$'),
    version integer NOT NULL CHECK (version >= 1),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    structure text NOT NULL,
    base_locale text NOT NULL,
    registered_at timestamptz NOT NULL,
    UNIQUE (key, version)
);
COMMENT ON TABLE protocol_versions IS 'Published protocol versions. They never change.';
COMMENT ON COLUMN protocol_versions.id IS 'Computed from key and version for built-ins.';
COMMENT ON COLUMN protocol_versions.key IS 'Name of the protocol.';
COMMENT ON COLUMN protocol_versions.version IS 'Counts published versions.';
COMMENT ON COLUMN protocol_versions.content_hash IS 'SHA-256 over structure and base locale; the same number never has another content.';
COMMENT ON COLUMN protocol_versions.structure IS 'protocol.toml as published.';
COMMENT ON COLUMN protocol_versions.base_locale IS 'The locale whose texts belong to the version.';
COMMENT ON COLUMN protocol_versions.registered_at IS 'When this database first knew it (wall clock).';

CREATE TABLE protocol_texts (
    version_id uuid NOT NULL REFERENCES protocol_versions (id),
    locale text NOT NULL,
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    texts text NOT NULL,
    reviewed boolean NOT NULL,
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (version_id, locale)
);
COMMENT ON TABLE protocol_texts IS 'A version''s texts by locale. Other locales than the base may come later.';
COMMENT ON COLUMN protocol_texts.version_id IS 'The version.';
COMMENT ON COLUMN protocol_texts.locale IS 'Language tag.';
COMMENT ON COLUMN protocol_texts.content_hash IS 'SHA-256 of the texts.';
COMMENT ON COLUMN protocol_texts.texts IS 'The texts file as published.';
COMMENT ON COLUMN protocol_texts.reviewed IS 'Whether a clinician has read them; unreviewed texts are not served unless a clinic accepts them.';
COMMENT ON COLUMN protocol_texts.registered_at IS 'When this database first knew them (wall clock).';

CREATE TABLE treatments (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    clinician_id uuid,
    status text NOT NULL CHECK (status IN ('unconfirmed', 'active', 'completed', 'cancelled')),
    performed_at timestamptz NOT NULL,
    anchor_on date NOT NULL,
    counts_from timestamptz NOT NULL,
    moved_at timestamptz,
    protocol_version_id uuid NOT NULL REFERENCES protocol_versions (id),
    protocol_reason text,
    area text NOT NULL,
    modality text NOT NULL,
    device text,
    needle_depth_um integer CHECK (needle_depth_um BETWEEN 1 AND 5000),
    products text[] NOT NULL,
    session_number integer CHECK (session_number BETWEEN 1 AND 50),
    notes text,
    version integer NOT NULL,
    plan_revision integer NOT NULL,
    activity integer NOT NULL,
    done_w bigint NOT NULL,
    on_time_w bigint NOT NULL,
    early_until timestamptz[] NOT NULL DEFAULT '{}',
    early_w bigint[] NOT NULL DEFAULT '{}',
    created_by uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE,
    FOREIGN KEY (clinic_id, clinician_id) REFERENCES memberships (clinic_id, id),
    CHECK ((status IN ('completed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK (cardinality(early_until) = cardinality(early_w))
);
CREATE INDEX treatments_by_patient ON treatments (clinic_id, patient_id, performed_at);
COMMENT ON TABLE treatments IS 'Microneedling sessions that were performed.';
COMMENT ON COLUMN treatments.clinic_id IS 'The clinic.';
COMMENT ON COLUMN treatments.id IS 'Chosen by the caller or the server.';
COMMENT ON COLUMN treatments.patient_id IS 'Who was treated.';
COMMENT ON COLUMN treatments.clinician_id IS 'Membership of the treating clinician, who is told first about flags.';
COMMENT ON COLUMN treatments.status IS 'unconfirmed (registered by the patient''s app), active, completed or cancelled.';
COMMENT ON COLUMN treatments.performed_at IS 'T0: the end of the session.';
COMMENT ON COLUMN treatments.anchor_on IS 'The patient''s local date at T0: day index 0.';
COMMENT ON COLUMN treatments.counts_from IS 'Tasks that close before this instant leave the denominator: registration, or the last move to another day (care clock).';
COMMENT ON COLUMN treatments.moved_at IS 'When it was last moved to another day (care clock). What was said of tasks before was said of other days.';
COMMENT ON COLUMN treatments.protocol_version_id IS 'The pinned protocol version.';
COMMENT ON COLUMN treatments.protocol_reason IS 'Why staff use the protocol outside the areas and modalities it was written for.';
COMMENT ON COLUMN treatments.area IS 'Treated area.';
COMMENT ON COLUMN treatments.modality IS 'Plain microneedling or a combination.';
COMMENT ON COLUMN treatments.device IS 'Device used, as the clinic writes it.';
COMMENT ON COLUMN treatments.needle_depth_um IS 'Needle depth in micrometres.';
COMMENT ON COLUMN treatments.products IS 'Products used in the session.';
COMMENT ON COLUMN treatments.session_number IS 'Which session of the course it was.';
COMMENT ON COLUMN treatments.notes IS 'The clinic''s notes.';
COMMENT ON COLUMN treatments.version IS 'Counts edits; the strong ETag.';
COMMENT ON COLUMN treatments.plan_revision IS 'Counts replans.';
COMMENT ON COLUMN treatments.activity IS 'Counts outcomes and check-ins.';
COMMENT ON COLUMN treatments.done_w IS 'Weight of tasks done at all, as of the last outcome or replan.';
COMMENT ON COLUMN treatments.on_time_w IS 'Weight of tasks done on time, as of the last outcome or replan.';
COMMENT ON COLUMN treatments.early_until IS 'For tasks done before their window and grace had ended: when those will have.';
COMMENT ON COLUMN treatments.early_w IS 'Their weights: part of done_w, and closed before their time.';
COMMENT ON COLUMN treatments.created_by IS 'Who registered it.';
COMMENT ON COLUMN treatments.created_at IS 'When (care clock).';
COMMENT ON COLUMN treatments.confirmed_at IS 'When the clinic confirmed it (care clock).';
COMMENT ON COLUMN treatments.ended_at IS 'When it was completed or cancelled (care clock).';
