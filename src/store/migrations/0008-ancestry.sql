-- Where an experiment comes from that was not written from nothing: written with it, never changed.
create table ancestry (
  experiment_id integer primary key references experiments (id),
  kind text not null check (kind in ('fork', 'replay', 'copy', 'import')),
  -- Null for one that came from elsewhere.
  parent_experiment integer references experiments (id),
  -- Set where it comes from one trial alone.
  parent_trial integer,
  -- What it comes from in words, where that is not here: what an import was called at its source.
  parent_label text,
  -- [{path, from, to}]: where its resolved configuration differs from what it comes from; a value that is not there is absent.
  overrides jsonb not null,
  at timestamptz not null,
  check (parent_trial is null or parent_experiment is not null),
  check (parent_experiment is not null or parent_label is not null)
);
create index ancestry_parent on ancestry (parent_experiment) where parent_experiment is not null;
