-- Leases of runners, and exits that are heard when their allocation has ended already.

create table runners (
  id text primary key,
  standing text not null check (standing in ('held', 'silent', 'lost')),
  -- Counts the leases of this runner from 1: the fence. It moves on when the runner is lost.
  lease integer not null,
  -- Which start of the runner's process speaks for it.
  boot text,
  cause text not null,
  since timestamptz not null,
  -- As it was when this row was written; the server that runs knows better.
  heard_at timestamptz
);

alter table allocations
  -- When the runner told how the processes ended; null where the allocation was given up and nobody has told yet.
  add column exit_heard_at timestamptz;
update allocations set exit_heard_at = ended_at where state = 'ended';
