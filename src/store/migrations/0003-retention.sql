-- What stays and what goes: deleted checkpoints, pins, deleted experiments, and which blobs are in use.

-- A deleted checkpoint keeps its row: only its bytes are gone.
alter table checkpoints add column deleted_at timestamptz;
alter table checkpoints add column deleted_why text;
create index checkpoints_kept on checkpoints (trial_id) where deleted_at is null;

-- A row stays when a pin is taken off: who did it is worth knowing.
create table pins (
  experiment_id integer not null references experiments (id),
  tree text not null,
  pinned boolean not null,
  by text not null,
  at timestamptz not null,
  primary key (experiment_id, tree)
);

-- What people did to experiments that have ended; most have no row.
create table experiment_marks (
  experiment_id integer primary key references experiments (id),
  archived_at timestamptz,
  deleted_at timestamptz,
  deleted_by text,
  -- From here on there is no way back.
  purged_at timestamptz,
  -- Its rows of metrics, output and checkpoints are gone, too.
  emptied_at timestamptz
);

-- Experiments that have ended and to which retention was applied as a whole; null = it is due again.
create table retained (
  experiment_id integer primary key references experiments (id),
  at timestamptz
);

-- Which blobs a snapshot is made of. Written before anything refers to the snapshot, deleted after nothing does.
create table trees (
  hash text primary key,
  at timestamptz not null
);
create table tree_blobs (
  tree text not null references trees (hash) on delete cascade,
  blob text not null,
  size bigint not null,
  primary key (tree, blob)
);
create index tree_blobs_blob on tree_blobs (blob);
create index experiments_code on experiments (code) where code is not null;

-- Somebody was told that this content is here, or has just sent it, and will refer to it.
create table blob_leases (
  holder text not null,
  blob text not null,
  -- Of an allocation: holds for as long as it lives. Else for a while from `at` on.
  experiment_id integer,
  trial_number integer,
  run integer,
  -- How often it was asked for: the same content may be on its way twice.
  uses integer not null default 1,
  at timestamptz not null,
  primary key (holder, blob)
);
create index blob_leases_blob on blob_leases (blob);
