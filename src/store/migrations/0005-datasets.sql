-- Datasets by reference, what is in them, and versions that were removed.

alter table datasets
  add column kind text not null default 'stored' check (kind in ('stored', 'directory', 's3')),
  -- Of what is not stored here.
  add column place text,
  -- Names paths and contents, whatever form they are kept in; the snapshot names that form.
  add column content text,
  add column statistics jsonb,
  add column removed_at timestamptz,
  add column removed_by text;
update datasets set content = snapshot;
alter table datasets alter column content set not null;

-- The same content is one version, unless that was removed.
alter table datasets drop constraint datasets_name_snapshot_key;
create unique index datasets_content on datasets (name, content, kind, coalesce(place, ''))
  where removed_at is null;
create index datasets_snapshot on datasets (snapshot) where removed_at is null;

-- Which experiments used a version. Written once for each experiment.
create index experiments_data on experiments using gin (data);
