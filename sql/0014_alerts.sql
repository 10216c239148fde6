-- What is broken, and what was said of it: the outbox of the alerts, and how far each channel has been served.

CREATE TABLE incidents (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key       text        NOT NULL,
    severity  text        NOT NULL CHECK (severity IN ('WARN', 'ERROR')),
    opened_at timestamptz NOT NULL,
    seen_at   timestamptz NOT NULL,
    tell_at   timestamptz NOT NULL,
    healed_at timestamptz,
    subject   text        NOT NULL,
    text      text        NOT NULL,
    links     text[]      NOT NULL DEFAULT '{}',
    day       date,
    told      text        CHECK (told IN ('WARN', 'ERROR')),
    settled   boolean     NOT NULL DEFAULT false,
    CHECK (healed_at IS NOT NULL OR NOT settled)
);

-- One row a key is unsettled at most: whatever happens to it again belongs to the same incident.
CREATE UNIQUE INDEX incidents_unsettled ON incidents (key) WHERE NOT settled;
CREATE INDEX incidents_key ON incidents (key, id);

COMMENT ON TABLE incidents IS 'What broke, from its first sign until it healed: failed checks, failed runs, a collector or live view that cannot stay up.';
COMMENT ON COLUMN incidents.id IS 'In the order of opening.';
COMMENT ON COLUMN incidents.key IS 'What it is about: check:<asset>/<check>/<partition>, run:<job>/<partition>, collector, live.';
COMMENT ON COLUMN incidents.severity IS 'The worst it has been: WARN or ERROR.';
COMMENT ON COLUMN incidents.opened_at IS 'When it broke first, UTC.';
COMMENT ON COLUMN incidents.seen_at IS 'When the newest thing was seen that counts for or against it, UTC; what is older is known already.';
COMMENT ON COLUMN incidents.tell_at IS 'It is told from then on if it still stands, UTC.';
COMMENT ON COLUMN incidents.healed_at IS 'When it healed, UTC; null while it stands. What breaks again before LIQ_ALERT_SETTLE_SECONDS are over has never healed.';
COMMENT ON COLUMN incidents.subject IS 'What broke, in a few words.';
COMMENT ON COLUMN incidents.text IS 'What was seen last, in a sentence or two.';
COMMENT ON COLUMN incidents.links IS 'Pages of the Dagster UI, paths below LIQ_UI_URL.';
COMMENT ON COLUMN incidents.day IS 'The UTC day it is about; null where it is about none.';
COMMENT ON COLUMN incidents.told IS 'The severity it was told with; null while nobody was told.';
COMMENT ON COLUMN incidents.settled IS 'Whether it has healed for good: what breaks from now on is another incident.';

CREATE TABLE alert_messages (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    key      text        NOT NULL,
    kind     text        NOT NULL CHECK (kind IN ('broke', 'healed', 'notice')),
    severity text        NOT NULL CHECK (severity IN ('INFO', 'WARN', 'ERROR')),
    subject  text        NOT NULL,
    text     text        NOT NULL,
    links    text[]      NOT NULL DEFAULT '{}',
    day      date
);

CREATE UNIQUE INDEX alert_messages_notice ON alert_messages (key) WHERE kind = 'notice';

COMMENT ON TABLE alert_messages IS 'The outbox: what is to be sent to every channel of LIQ_ALERT_URLS, each line once.';
COMMENT ON COLUMN alert_messages.id IS 'In the order of writing; alert_channels.place counts by it.';
COMMENT ON COLUMN alert_messages.at IS 'When it was written, UTC.';
COMMENT ON COLUMN alert_messages.key IS 'The incident''s key; of a notice its own, which is never repeated.';
COMMENT ON COLUMN alert_messages.kind IS 'broke, healed, or notice: something that nobody has to mend.';
COMMENT ON COLUMN alert_messages.severity IS 'ERROR or WARN of an incident, INFO of a notice.';
COMMENT ON COLUMN alert_messages.subject IS 'What it is about, in a few words.';
COMMENT ON COLUMN alert_messages.text IS 'What was seen, in a sentence or two.';
COMMENT ON COLUMN alert_messages.links IS 'Pages of the Dagster UI, paths below LIQ_UI_URL.';
COMMENT ON COLUMN alert_messages.day IS 'The UTC day it is about; null where it is about none.';

CREATE TABLE alert_channels (
    name          text        PRIMARY KEY,
    place         bigint      NOT NULL,
    sent_at       timestamptz,
    failing_since timestamptz,
    failures      integer     NOT NULL DEFAULT 0,
    next_try_at   timestamptz NOT NULL DEFAULT '-infinity',
    error         text
);

COMMENT ON TABLE alert_channels IS 'How far each channel of LIQ_ALERT_URLS has been served; one that is down has its own place.';
COMMENT ON COLUMN alert_channels.name IS 'The scheme of its URL and a hash; the URL itself may hold secrets.';
COMMENT ON COLUMN alert_channels.place IS 'The id of the last message it accepted, or of the newest there was when it was set up.';
COMMENT ON COLUMN alert_channels.sent_at IS 'When it last accepted something, UTC.';
COMMENT ON COLUMN alert_channels.failing_since IS 'Since when it has accepted nothing, UTC; null while it is well.';
COMMENT ON COLUMN alert_channels.failures IS 'Attempts since then.';
COMMENT ON COLUMN alert_channels.next_try_at IS 'It is not tried before, UTC.';
COMMENT ON COLUMN alert_channels.error IS 'What the last attempt failed with; null while it is well.';
