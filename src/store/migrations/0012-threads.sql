-- Runs that somebody found to matter, afterwards; the way that led to each is computed.
create table threads (
  id integer generated always as identity primary key,
  experiment_id integer not null references experiments (id),
  name text not null,
  note text not null,
  created_by integer not null references users (id),
  created_at timestamptz not null,
  unique (experiment_id, name)
);
