-- What came of running a trial again from its record; every verdict stays, the latest of a trial is the one that is shown.
create table verdicts (
  -- The trial that was to be repeated.
  experiment_id integer not null,
  trial_number integer not null,
  at timestamptz not null,
  -- The experiment that repeated it; null where it was known before that nothing could be compared.
  replay_id integer references experiments (id),
  state text not null check (state in ('identical', 'differs', 'not_comparable')),
  -- Without its first word: what was compared, where it differs, or why not.
  text text not null,
  -- What was compared and what was found, with figures; see protocol/api/verdict.ts.
  detail jsonb not null,
  asked_by text not null,
  primary key (experiment_id, trial_number, at),
  foreign key (experiment_id, trial_number) references trials (experiment_id, number)
);
create unique index verdicts_replay on verdicts (replay_id) where replay_id is not null;
