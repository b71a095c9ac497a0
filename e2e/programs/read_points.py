"""Reads exported points with what other people read them with, and says what is in them: FORMAT FILE, or `query IDS`."""

import json
import sys

import pyarrow
import pyarrow.parquet

how, what = sys.argv[1:]
if how == "query":
    import contrail

    frames = {name: contrail.query(what, superseded=True, frame=name) for name in ("pandas", "pyarrow", "dict")}
    table = pyarrow.Table.from_pandas(frames["pandas"], preserve_index=False)
    for name, other in (("pyarrow", frames["pyarrow"].to_pydict()), ("dict", frames["dict"])):
        for column in table.column_names:
            mine, theirs = table.column(column).to_pylist(), list(other[column])
            if column == "time":
                mine, theirs = ([time.isoformat() for time in times] for times in (mine, theirs))
            assert repr(mine) == repr(theirs), (name, column, mine[:3], theirs[:3])
elif how == "parquet":
    file = pyarrow.parquet.ParquetFile(what)
    assert file.metadata.num_columns == 9 and file.metadata.row_group(0).column(0).compression == "SNAPPY"
    table = file.read()
elif how == "arrow":
    with pyarrow.ipc.open_stream(what) as reader:
        table = reader.read_all()
    table.validate(full=True)
rows = table.to_pylist()
for row in rows:
    row["time"] = row["time"].strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (row["time"].microsecond // 1000)
    row["value"] = repr(row["value"])
print(json.dumps({"types": {field.name: str(field.type) for field in table.schema}, "rows": rows}))
