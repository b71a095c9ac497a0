-- The tables of the first release. Reasons that are not obvious stand with the columns.

create table settings (
  key text primary key,
  value jsonb not null
);

create table users (
  id integer generated always as identity primary key,
  name text not null unique,
  -- scrypt, as `scrypt$N$r$p$salt$hash`; null = cannot sign in with a password
  password_hash text,
  created_at timestamptz not null
);

create table tokens (
  id text primary key,
  user_id integer not null references users (id),
  name text not null,
  scope text not null check (scope in ('user', 'read', 'one_time')),
  -- SHA-256 of the token; the token itself is shown once and kept nowhere
  hash bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz,
  last_used_at timestamptz
);

create table datasets (
  id integer generated always as identity primary key,
  name text not null,
  version integer not null,
  snapshot text not null,
  files integer not null,
  bytes bigint not null,
  created_by integer not null references users (id),
  created_at timestamptz not null,
  unique (name, version),
  unique (name, snapshot)
);

create table experiments (
  id integer primary key,
  name text not null,
  description text,
  labels text[] not null,
  workspace text not null,
  project text not null,
  owner_id integer not null references users (id),
  state text not null,
  reason text not null,
  config jsonb not null,
  config_text text not null,
  data jsonb not null,
  seed bigint not null,
  code text,
  provenance jsonb not null,
  plan jsonb not null,
  searcher_reason text not null,
  search_spec jsonb not null,
  -- The search after `search_events` events of the table of that name; later ones are applied again on loading.
  search_state jsonb not null,
  search_events integer not null,
  -- What core/lifecycle keeps about the experiment itself.
  core jsonb not null,
  progress double precision not null,
  best_trial integer,
  best_step bigint,
  best_objective double precision,
  steps bigint not null,
  slot_ms bigint not null,
  created_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz
);
create index experiments_live on experiments (id) where ended_at is null;

create table trials (
  -- Counted by the one server that writes, so that a batch needs no round trip to learn its own ids.
  id integer primary key,
  experiment_id integer not null references experiments (id),
  number integer not null,
  state text not null,
  end_reason text,
  reason text not null,
  hyperparameters jsonb not null,
  seed bigint not null,
  bracket integer not null,
  target bigint,
  step bigint not null,
  objective double precision,
  best_step bigint,
  best_objective double precision,
  restarts integer not null,
  -- What core/lifecycle keeps about the trial.
  core jsonb not null,
  slot_ms bigint not null,
  -- Metric name -> what it was instead of a number.
  refused_metrics jsonb not null default '{}',
  created_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz,
  unique (experiment_id, number)
);

create table allocations (
  -- Counted by the one server that writes, so that a batch needs no round trip to learn its own ids.
  id integer primary key,
  experiment_id integer not null,
  trial_number integer not null,
  -- Counts a trial's allocations from 1 and is the fence: an older one never speaks for the trial again.
  run integer not null,
  runner text not null,
  slots text[] not null,
  state text not null check (state in ('assigned', 'running', 'ended')),
  start_step bigint not null,
  restore_tree text,
  -- The orders that hold, absolute; the version tells a runner which are news.
  target bigint,
  yield text check (yield in ('pause', 'stop')),
  kill boolean not null,
  orders_reason text not null,
  orders_version bigint not null,
  -- Highest event of the runner's spool that is durable here.
  acked bigint not null,
  pid integer,
  end_kind text,
  exit_code integer,
  signal text,
  exit_detail jsonb,
  -- How many lines of output there are to come in all; null while it runs.
  log_lines bigint,
  reason text not null,
  created_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz,
  unique (experiment_id, trial_number, run),
  foreign key (experiment_id, trial_number) references trials (experiment_id, number)
);
create index allocations_live on allocations (id) where state <> 'ended';

-- What a search was told and what it answered: enough to decide it all again, offline.
create table search_events (
  experiment_id integer not null references experiments (id),
  seq integer not null,
  at_ms bigint not null,
  event jsonb not null,
  actions jsonb not null,
  primary key (experiment_id, seq)
);

create table decisions (
  experiment_id integer not null,
  trial_number integer not null,
  seq integer not null,
  at timestamptz not null,
  what text not null,
  target bigint,
  code text not null,
  text text not null,
  standing jsonb,
  primary key (experiment_id, trial_number, seq)
);

create table metric_names (
  id integer primary key,
  name text not null unique
);

create table reports (
  trial_id integer not null,
  run integer not null,
  seq bigint not null,
  step bigint not null,
  at timestamptz not null,
  primary key (trial_id, run, seq)
);

-- The key covers the value, so that reading a series touches the index alone; a repeated record has
-- the same key and changes nothing. Measured against other shapes in docs/storage.md.
create table metrics (
  trial_id integer not null,
  name_id integer not null,
  step bigint not null,
  run integer not null,
  seq bigint not null,
  value double precision not null,
  primary key (trial_id, name_id, step, run, seq) include (value)
);

create table logs (
  allocation_id integer not null,
  seq bigint not null,
  experiment_id integer not null,
  -- Counts the lines of the experiment in the order in which they came, so that who follows all trials at once
  -- never passes one by. One writer numbers them.
  position bigint not null,
  at timestamptz not null,
  rank smallint not null,
  stream smallint not null check (stream in (1, 2)),
  complete boolean not null,
  bytes bytea not null,
  primary key (allocation_id, seq)
);
create unique index logs_experiment on logs (experiment_id, position);

create table checkpoints (
  trial_id integer not null references trials (id),
  run integer not null,
  step bigint not null,
  tree text not null,
  files integer not null,
  bytes bigint not null,
  metadata jsonb not null,
  created_at timestamptz not null,
  primary key (trial_id, run, step, tree)
);
create index checkpoints_tree on checkpoints (tree);

create table idempotency (
  user_id integer not null references users (id),
  key text not null,
  request_hash bytea not null,
  reply jsonb not null,
  created_at timestamptz not null,
  primary key (user_id, key)
);

-- Every change of state of anything, chained: each hash covers the row and the hash before it.
create table changes (
  seq bigint primary key,
  at timestamptz not null,
  actor text not null,
  experiment_id integer,
  subject text not null,
  what text not null,
  cause text not null,
  hash bytea not null
);
create index changes_experiment on changes (experiment_id, seq);
