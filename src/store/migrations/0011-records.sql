-- The record of each run: what was around it when it started.

-- Machine, system, interpreter, packages: the same for thousands of runs, so stored once, by the SHA-256 of its text.
create table environments (
  hash text primary key,
  document jsonb not null,
  at timestamptz not null
);

create table records (
  experiment_id integer not null references experiments (id),
  trial_number integer not null,
  run integer not null,
  -- runner: what the runner found at the start. program: what the training code's own helper told.
  source text not null check (source in ('runner', 'program')),
  environment text references environments (hash),
  document jsonb not null,
  at timestamptz not null,
  primary key (experiment_id, trial_number, run, source)
);
create index records_environment on records (environment) where environment is not null;
