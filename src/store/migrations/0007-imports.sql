-- Experiments that were not trained here: which bundle each came in.
create table imports (
  experiment_id integer primary key references experiments (id),
  -- Of the record that it is: the same again is the same experiment.
  content text not null unique,
  -- What the bundle says of where it was made, by whom and when.
  origin jsonb not null,
  -- The snapshot of what came along and is told nowhere else: the manifest, the log of changes of the origin.
  record text not null,
  by text not null,
  at timestamptz not null,
  -- Null while its points and lines are being written; nobody sees it before.
  done_at timestamptz
);
