-- Parts of configurations that hold where a submission says nothing: templates, and defaults of workspaces. A version is
-- never changed, and its number never given again.
create table layers (
  kind text not null check (kind in ('template', 'workspace')),
  name text not null,
  version integer not null,
  -- YAML as it was written; a login in it is sealed.
  config_text text not null,
  created_by integer not null references users (id),
  created_at timestamptz not null,
  removed_at timestamptz,
  removed_by text,
  primary key (kind, name, version)
);
