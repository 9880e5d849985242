"""The statements of the short way: who may send and of whom, then everything it stores."""

from __future__ import annotations

from collections.abc import Mapping

from app.services.lab_insertion import TYPES, unnest
from app.services.lab_recording import OF_MESSAGES

# Columns of an operation, of an answer under its Idempotency-Key and of a result, in the order in
# which STORE takes their values.
OPERATION = {
    "study_id": "uuid",
    "id": "uuid",
    "actor_id": "uuid",
    "actor_name": "text",
    "role": "text",
    "organisation": "text",
    "command": "text",
    "reason": "text",
    "request_id": "text",
    "recorded_at": "timestamptz",
}
ANSWER = {
    "scope": "text",
    "key": "text",
    "fingerprint": "text",
    "status": "integer",
    "headers": "jsonb",
    "body": "bytea",
}
# What is the same for every first version of this way, the database fills in.
_FILLED_IN = {"result_id", "result_version", "collected_precision", *OF_MESSAGES}
WRITTEN = {name: kind for name, kind in TYPES.items() if name not in _FILLED_IN}

# The studies of all senders of the transaction, each if it knows its sender. Every door opens its
# own studies only, so what they opened is gathered and entered at the end. The transaction takes
# its number before it reads the clock for its rows, as every other that writes does.
ENTER = """
WITH entered AS MATERIALIZED (
    SELECT DISTINCT unnest(enter_by_identity(issuer, subject, study))
    FROM unnest($1::text[], $2::text[], $3::text[]) AS given (issuer, subject, study)
)
SELECT enter(array_agg(unnest)), pg_current_xact_id() FROM entered
"""
# The roles of an identity in one study beside each of the subjects. The shared lock keeps a
# disposition out until the commit; a subject that is locked just now is left to the plain way.
ADMIT = """
SELECT study.study_id, study.time_zone, principal.id AS principal_id, principal.display_name,
       principal.organisation, role_grant.role, subject.id AS subject_id, subject.birth_year,
       subject.site_id,
       clock_timestamp() AS recorded_at, sender.code AS source, sender.analytes, sender.active
FROM study
JOIN principal USING (study_id)
JOIN role_grant ON role_grant.study_id = study.study_id
     AND role_grant.principal_id = principal.id
JOIN subject ON subject.study_id = study.study_id
LEFT JOIN sender ON sender.study_id = study.study_id AND sender.principal_id = principal.id
WHERE principal.issuer = $1 AND principal.subject = $2 AND study.key = $3
  AND in_force(role_grant, $4)
  AND (role_grant.site_id IS NULL OR role_grant.site_id = subject.site_id)
  AND subject.id = ANY($5::uuid[])
  AND NOT EXISTS (
      SELECT FROM casebook
      WHERE casebook.study_id = subject.study_id AND casebook.subject_id = subject.id
        AND casebook.state <> 'open'
  )
ORDER BY role_grant.id, subject.id
FOR SHARE OF subject SKIP LOCKED
"""

# What is stored now is of the sites of the admitted subjects; the database shows no others.
BIND = "SELECT set_config('app.site_ids', CAST($1::uuid[] AS text), true)"


def _given(columns: Mapping[str, str], before: int) -> str:
    """Write the parameters after those before as a table of these columns."""
    arrays = ((f"${before + place}", kind) for place, kind in enumerate(columns.values(), 1))
    return f"{unnest(arrays)} AS given ({', '.join(columns)})"


# With the lock held no disposition comes in, and this statement sees each one that came before.
# What is here already, result or key, is not stored, and then not returned.
STORE = f"""
WITH begun AS (
    INSERT INTO operation ({", ".join(OPERATION)}) SELECT * FROM {_given(OPERATION, 0)}
), kept AS (
    INSERT INTO idempotency_record ({", ".join(ANSWER)})
    SELECT * FROM {_given(ANSWER, len(OPERATION))}
    ON CONFLICT DO NOTHING
    RETURNING scope, key
), stored AS (
    INSERT INTO lab_result ({", ".join(WRITTEN)}, result_id)
    SELECT given.*, given.id FROM {_given(WRITTEN, len(OPERATION) + len(ANSWER))}
    WHERE NOT EXISTS (
        SELECT FROM disposition
        WHERE disposition.study_id = given.study_id AND disposition.subject_id = given.subject_id
          AND NOT disposition.retracted
    ) AND NOT EXISTS (
        SELECT FROM adverse_event
        WHERE adverse_event.study_id = given.study_id
          AND adverse_event.subject_id = given.subject_id
          AND adverse_event.grade = 5 AND NOT adverse_event.retracted
    )
    ON CONFLICT ON CONSTRAINT uq_lab_result_natural_key DO NOTHING
    RETURNING lab_result.id
)
SELECT id, NULL AS scope, NULL AS key FROM stored
UNION ALL
SELECT NULL, scope, key FROM kept
"""  # noqa: S608 - made of the names of our own columns
