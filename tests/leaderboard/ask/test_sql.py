import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evoact.errors import UserError
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.ask.select_only import Refused, check, columns_read
from evoact.leaderboard.ask.sql import run
from evoact.leaderboard.ask.sql_functions import FUNCTIONS
from evoact.leaderboard.schema import SCHEMA


def parse(query):
    with duckdb.connect() as connection:
        [text] = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
    return check(text)


REFUSED = {
    # no SELECT, or more than one
    "": "0 statements",
    "SELECT 1; SELECT 2": "2 statements",
    "SELECT 1; DROP TABLE leaderboard": "another kind of statement",
    "nonsense": "syntax error",
    "SELECT run FROM leaderboard WHERE": "syntax error",
    "COPY leaderboard TO 'x.csv'": "another kind of statement",
    "COPY (SELECT 1) TO 'x.csv'": "another kind of statement",
    "ATTACH 'x.db'": "another kind of statement",
    "PRAGMA database_list": None,
    "SET memory_limit = '1TB'": "another kind of statement",
    "RESET memory_limit": "another kind of statement",
    "INSTALL httpfs": "another kind of statement",
    "LOAD httpfs": "another kind of statement",
    "CREATE TABLE t AS SELECT 1": "another kind of statement",
    "INSERT INTO leaderboard SELECT * FROM leaderboard": "another kind of statement",
    "DELETE FROM leaderboard": "another kind of statement",
    "DROP TABLE leaderboard": "another kind of statement",
    "EXPLAIN SELECT 1": "another kind of statement",
    "CALL duckdb_settings()": "another kind of statement",
    "EXPORT DATABASE 'x'": "another kind of statement",
    "CHECKPOINT": "another kind of statement",
    "SHOW TABLES": "the clause SHOW_REF",
    "DESCRIBE leaderboard": "the clause SHOW_REF",
    "SUMMARIZE leaderboard": "the clause SHOW_REF",
    "SELECT * FROM (SHOW TABLES)": "the clause SHOW_REF",
    "SELECT * FROM (DESCRIBE leaderboard)": "the clause SHOW_REF",
    # statements hidden in a SELECT
    "WITH a AS (COPY (SELECT 1) TO 'x') SELECT 1": "the clause COPY_QUERY_NODE",
    "WITH a AS (INSERT INTO leaderboard VALUES (1) RETURNING *) FROM a": "the clause INSERT_QUERY_NODE",
    "WITH a AS (DELETE FROM leaderboard RETURNING *) SELECT * FROM a": "the clause",
    # files
    "SELECT * FROM 'a.csv'": "the table 'a.csv'",
    "FROM 'a.parquet'": "the table 'a.parquet'",
    'SELECT * FROM "a.csv"': "the table 'a.csv'",
    "SELECT * FROM 'https://example.org/a.parquet'": "the table 'https://example.org/a.parquet'",
    "SELECT * FROM read_csv('a.csv')": "the table function 'read_csv'",
    "SELECT * FROM READ_TEXT('/etc/passwd')": "the table function 'read_text'",
    "SELECT * FROM read_blob('/etc/passwd')": "the table function 'read_blob'",
    "SELECT * FROM read_parquet('x')": "the table function 'read_parquet'",
    "SELECT * FROM parquet_metadata('x')": "the table function 'parquet_metadata'",
    "SELECT * FROM glob('*')": "the table function 'glob'",
    "SELECT * FROM sniff_csv('a.csv')": "the table function 'sniff_csv'",
    "SELECT * FROM query('SELECT 1')": "the table function 'query'",
    "SELECT * FROM query_table('a.csv')": "the table function 'query_table'",
    "SELECT * FROM json_execute_serialized_sql('{}')": "the table function 'json_execute_serialized_sql'",
    # the same, deeper down
    "SELECT (SELECT count(*) FROM 'a.csv')": "the table 'a.csv'",
    "SELECT 1 WHERE EXISTS (FROM 'a.csv')": "the table 'a.csv'",
    "SELECT 1 WHERE 1 IN (SELECT * FROM read_csv('a'))": "the table function 'read_csv'",
    "SELECT * FROM leaderboard, LATERAL (SELECT * FROM 'a.csv')": "the table 'a.csv'",
    "SELECT * FROM leaderboard JOIN 'a.csv' ON true": "the table 'a.csv'",
    "SELECT run FROM leaderboard UNION ALL SELECT * FROM 'a.csv'": "the table 'a.csv'",
    "WITH a AS (SELECT * FROM 'a.csv') SELECT * FROM a": "the table 'a.csv'",
    "SELECT list_transform([1], x -> (SELECT count(*) FROM 'a.csv'))": "the table 'a.csv'",
    "SELECT sum(1) OVER (ORDER BY (SELECT 1 FROM 'a.csv'))": "the table 'a.csv'",
    "SELECT 1 ORDER BY (SELECT 1 FROM 'a.csv')": "the table 'a.csv'",
    "SELECT 1 LIMIT (SELECT 1 FROM 'a.csv')": "the table 'a.csv'",
    "SELECT CASE WHEN true THEN (SELECT 1 FROM 'a.csv') END": "the table 'a.csv'",
    "SELECT count(*) FILTER (WHERE (SELECT true FROM 'a.csv')) FROM leaderboard": "the table 'a.csv'",
    "SELECT * FROM (VALUES ((SELECT 1 FROM 'a.csv')))": "the table 'a.csv'",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM 'a.csv') SELECT * FROM r": "the table 'a.csv'",
    "SELECT * FROM leaderboard PIVOT (count((SELECT 1 FROM 'a.csv')) FOR run IN ('a'))": "the table 'a.csv'",
    # names of common table expressions outside of where they hold
    'SELECT * FROM (WITH "a.csv" AS (SELECT 1) FROM "a.csv") AS t, "a.csv"': "the table 'a.csv'",
    'WITH "a.csv" AS (SELECT * FROM "a.csv") SELECT * FROM "a.csv"': "the table 'a.csv'",
    'WITH a AS (SELECT * FROM "b.csv"), "b.csv" AS (SELECT 1) SELECT * FROM a': "the table 'b.csv'",
    # the catalogue, settings, the process
    "SELECT * FROM information_schema.tables": "the table 'information_schema.tables'",
    "SELECT * FROM duckdb_settings()": "the table function 'duckdb_settings'",
    "SELECT * FROM duckdb_secrets()": "the table function 'duckdb_secrets'",
    "SELECT * FROM pragma_table_info('leaderboard')": "the table function 'pragma_table_info'",
    "SELECT * FROM sqlite_master": "the table 'sqlite_master'",
    "SELECT * FROM pg_catalog.pg_tables": "the table 'pg_catalog.pg_tables'",
    "SELECT * FROM main.leaderboard": "the table 'main.leaderboard'",
    "SELECT * FROM python_variable": "the table 'python_variable'",
    "SELECT getenv('HOME')": "the function 'getenv'",
    "SELECT GetEnv('HOME')": "the function 'getenv'",
    "SELECT main.getenv('HOME')": "the function 'main.getenv'",
    "SELECT 'HOME'.getenv()": "the function 'getenv'",
    "SELECT list_transform(['HOME'], x -> getenv(x))": "the function 'getenv'",
    "SELECT current_setting('temp_directory')": "the function 'current_setting'",
    "SELECT current_user": "the function 'current_user'",
    "SELECT current_schemas(true)": "the function 'current_schemas'",
    "SELECT version()": "the function 'version'",
    "SELECT getvariable('x')": "the function 'getvariable'",
    "SELECT pg_sleep(100)": "the function 'pg_sleep'",
    "SELECT write_log('x')": "the function 'write_log'",
    "SELECT nextval('s')": "the function 'nextval'",
    # functions, wherever they stand and however they are written
    "SELECT getenv('HOME') OVER ()": "the function 'getenv'",
    """SELECT "getenv"('HOME')""": "the function 'getenv'",
    "SELECT system.main.getenv('HOME')": "the function '(system.)?main.getenv'",
    "SELECT main.abs(1)": "the function 'main.abs'",
    "SELECT run FROM leaderboard ORDER BY getenv('HOME')": "the function 'getenv'",
    "SELECT run FROM leaderboard GROUP BY ROLLUP (getenv('HOME'))": "the function 'getenv'",
    "SELECT run FROM leaderboard LIMIT getenv('HOME')::INT": "the function 'getenv'",
    "SELECT count(*) FILTER (WHERE getenv('HOME') > 'a') FROM leaderboard": "the function 'getenv'",
    "SELECT sum(seed) OVER (PARTITION BY getenv('HOME')) FROM leaderboard": "the function 'getenv'",
    "SELECT sum(seed) OVER (ROWS getenv('HOME')::INT PRECEDING) FROM leaderboard": "the function 'getenv'",
    "SELECT max(COLUMNS(c -> getenv(c) > 'a')) FROM leaderboard": "the function 'getenv'",
    "SELECT * REPLACE (getenv('HOME') AS run) FROM leaderboard": "the function 'getenv'",
    "FROM leaderboard PIVOT (max(getenv('HOME')) FOR phase IN ('search'))": "the function 'getenv'",
    "FROM leaderboard JOIN leaderboard AS l ON getenv('HOME') > 'a'": "the function 'getenv'",
    "FROM (VALUES (getenv('HOME')))": "the function 'getenv'",
    "FROM range(length(getenv('HOME')))": "the function 'getenv'",
    "FROM unnest([getenv('HOME')])": "the function 'getenv'",
    "SELECT DISTINCT ON (getenv('HOME')) run FROM leaderboard": "the function 'getenv'",
    "SELECT {'a': getenv('HOME')}.a": "the function 'getenv'",
    "SELECT TRY(getenv('HOME'))": "the function 'getenv'",
    "SELECT getenv('HOME')::VARCHAR COLLATE nocase": "the function 'getenv'",
    "SELECT read_text('/etc/passwd')": "the function 'read_text'",
    "SELECT query('SELECT 1')": "the function 'query'",
    "SELECT sleep_ms(100000)": "the function 'sleep_ms'",
    "SELECT current_query()": "the function 'current_query'",
    "SELECT has_table_privilege('leaderboard', 'SELECT')": "the function 'has_table_privilege'",
    "SELECT json_serialize_sql('SELECT 1')": "the function 'json_serialize_sql'",
    "SELECT json_deserialize_sql('{}')": "the function 'json_deserialize_sql'",
    "SELECT a_function_of_tomorrow(1)": "the function 'a_function_of_tomorrow'",
    "FROM which_secret('a', 'b')": "the table function 'which_secret'",
    "FROM repeat('a', 3)": "the table function 'repeat'",
    "FROM test_all_types()": "the table function 'test_all_types'",
    "FROM histogram(leaderboard, seed)": "the table function 'histogram'",
    "FROM duckdb_logs()": "the table function 'duckdb_logs'",
    "FROM pandas_scan(1, 2, 3)": "the table function 'pandas_scan'",
    "FROM python_map_function(1)": "the table function 'python_map_function'",
    "FROM enable_logging()": "the table function 'enable_logging'",
    "SELECT ?": "the expression PARAMETER",
    "SELECT $name": "the expression PARAMETER",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000: None,
}


@pytest.mark.parametrize("query", REFUSED, ids=lambda query: query[:60])
def test_refused(query):
    with pytest.raises(Refused, match=REFUSED[query]):
        parse(query)


ALLOWED = [
    "SELECT count(*) AS n FROM leaderboard",
    "FROM leaderboard",
    "SELECT * FROM LeaderBoard LIMIT 3",
    "SELECT max(val_metric) FROM leaderboard;",
    "/* a comment */ SELECT DISTINCT phase FROM leaderboard -- COPY",
    "SELECT phase, avg(val_metric) AS m FROM leaderboard GROUP BY ALL HAVING m > 0 ORDER BY m NULLS LAST",
    "SELECT phase, state, count(*) FROM leaderboard GROUP BY GROUPING SETS ((phase), (state), ())",
    "WITH b AS (SELECT max(val_metric) AS v FROM leaderboard) SELECT v FROM leaderboard, b WHERE seed = v",
    "WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a, b",
    "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 5) SELECT sum(x) FROM r",
    "SELECT a.candidate FROM leaderboard AS a JOIN leaderboard AS b ON a.candidate = b.proposal",
    "SELECT * FROM leaderboard SEMI JOIN (SELECT 3 AS candidate) USING (candidate)",
    "SELECT rank() OVER (PARTITION BY phase ORDER BY val_metric DESC) AS r, candidate FROM leaderboard",
    "SELECT candidate FROM leaderboard QUALIFY row_number() OVER (ORDER BY val_metric DESC) <= 3",
    "SELECT candidate FROM leaderboard WHERE val_metric > (SELECT avg(val_metric) FROM leaderboard)",
    "SELECT l.candidate, p FROM leaderboard AS l, LATERAL (SELECT unnest(l.parents) AS p) WHERE p > 0",
    "SELECT candidate FROM leaderboard UNION SELECT proposal FROM leaderboard EXCEPT SELECT 3",
    "SELECT list(candidate ORDER BY val_metric), list_transform([1, 2], lambda x: x + 1) FROM leaderboard",
    "SELECT [x * 2 FOR x IN [1, 2, 3] IF x > 1]",
    "SELECT * EXCLUDE (genome) REPLACE (val_metric * 100 AS val_metric) FROM leaderboard ORDER BY ALL",
    "SELECT min(COLUMNS('.*_metric')) FROM leaderboard",
    "SELECT quantile_cont(val_metric, 0.5), stddev(val_metric), corr(val_metric, steps) FROM leaderboard",
    "SELECT genome ->> '$.sites[0].site' AS site, json_array_length(genome, '$.sites') FROM leaderboard",
    "SELECT count(*) FILTER (WHERE genome LIKE '%sin%') FROM leaderboard",
    "SELECT regexp_extract(pack, '[0-9]+')::INT AS pack, TRY_CAST(run AS INT) FROM leaderboard",
    "SELECT date_trunc('hour', finished_at), finished_at - started_at, current_date FROM leaderboard",
    "SELECT CASE WHEN val_metric > 0.1 THEN 'good' ELSE 'bad' END AS g, count(*) FROM leaderboard GROUP BY g",
    "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y)",
    "SELECT * FROM range(3) AS r(i), generate_series(1, 2)",
    "FROM leaderboard PIVOT (avg(val_metric) FOR phase IN ('search', 'confirm') GROUP BY arm)",
    "SELECT {'a': 1}.a, MAP {'x': 1}['x'], coalesce(NULL, 1), 3 BETWEEN 1 AND 5, 1 IN (1, 2)",
    "SELECT sum(steps_run) OVER w FROM leaderboard WINDOW w AS (ORDER BY proposal ROWS 2 PRECEDING)",
    "SELECT candidate FROM leaderboard USING SAMPLE 3 ROWS",
    "SELECT percent_rank() OVER w, ntile(4) OVER w, lag(seed) OVER w FROM leaderboard WINDOW w AS (ORDER BY seed)",
    "SELECT arg_max(candidate, val_metric), median(val_metric), mode(phase), mad(seed) FROM leaderboard",
    "SELECT regr_slope(val_metric, steps), histogram(seed), approx_quantile(seed, 0.5) FROM leaderboard",
    "SELECT GROUPING(phase), count(*) FROM leaderboard GROUP BY ROLLUP (phase)",
    "SELECT strftime(started_at, '%Y'), extract(hour FROM started_at), now()::VARCHAR FROM leaderboard",
    "SELECT trim(run), upper(run[1:3]), run SIMILAR TO 'a.*', run || 'x', position('a' IN run) FROM leaderboard",
    "SELECT list_sum([1, 2]), [1, 2][1], list_aggregate([1, 2], 'max'), list_reduce([1, 2], lambda a, b: a + b)",
    "SELECT key, value FROM leaderboard, json_each(genome)",
    "SELECT if(seed > 1, 1, 2), greatest(1, 2), ifnull(NULL, 1), 5 // 2, 5 % 2, 2 ** 3, random() FROM leaderboard",
]

# Of the installed DuckDB: what is refused knowingly. Whoever meets a new name here decides where it belongs.
REFUSED_FUNCTIONS = re.compile(
    # the process, its settings and its catalogue
    r"current_(?!date$|local).*|pg_(?!typeof$|size_pretty$).*|inet_.*|has_.*_privilege|.*_description|getvariable"
    r"|setseed|(set|next|curr)val|user|session_user|version|in_search_path|(write|parse_duckdb)_log.*|sleep_ms"
    r"|txid_current|get_block_size|json_(de)?serialize_.*|enum_.*|format_(pg_)?type|map_to_pg_oid"
    # DuckDB's own
    r"|__.*|(icu_)?collate_.*|icu_sort_key|create_sort_key|alias|stats|vector_type|index_key|combine.*|finalize|invoke"
    r"|to_aggregate_state|decimal_(division|average)|json_copy_.*|hive_partition_component|(make|replace|get)_type"
    r"|cast_to_type|(bitstring|timetz)_byte_comparable|is (not )?distinct from"
    # of types that no column has
    r"|st_.*|variant_.*|vertex_extract",
    re.IGNORECASE,
)


def test_every_function_is_allowed_or_refused_knowingly():
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'aggregate', 'macro')"
        ).fetchall()
    known = {name.lower() for (name,) in rows}
    refused = {name for name in known if REFUSED_FUNCTIONS.fullmatch(name)}
    assert known - refused <= FUNCTIONS
    assert not refused & FUNCTIONS
    assert len(known & FUNCTIONS) > 500


def test_allowed(run_dir):
    # In one process, as the sandbox does it: every query in a process of its own would take a minute.
    rows = Leaderboard(run_dir).to_arrow()
    with duckdb.connect() as connection:
        for query in ALLOWED:
            columns = columns_read(parse(query), SCHEMA.names) or ["run"]
            table = rows.select(columns)
            connection.register("leaderboard", table)
            connection.execute(query).fetchall()


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT avg(val_metric) FROM leaderboard WHERE Phase = 'search'", ["phase", "val_metric"]),
        ("SELECT count(*) FROM leaderboard", []),
        ("SELECT l.seed FROM leaderboard AS l JOIN leaderboard USING (candidate)", ["candidate", "seed"]),
        ("SELECT * FROM leaderboard", SCHEMA.names),
        ("SELECT l FROM leaderboard AS l", SCHEMA.names),
        ("SELECT leaderboard FROM leaderboard", SCHEMA.names),
        ("SELECT 1 FROM leaderboard AS a NATURAL JOIN leaderboard AS b", SCHEMA.names),
        ("SELECT max(COLUMNS(c -> c LIKE 'val%')) FROM leaderboard", SCHEMA.names),
        ("SELECT phase FROM leaderboard AS l(phase)", SCHEMA.names),
        ("SELECT #2 FROM leaderboard", SCHEMA.names),
    ],
)
def test_columns_read(query, columns):
    assert columns_read(parse(query), SCHEMA.names) == columns


def test_an_answer_is_an_arrow_table(run_dir):
    query = "SELECT candidate, val_metric, parents, started_at FROM leaderboard ORDER BY candidate LIMIT 2"
    answer = Leaderboard(run_dir).sql(query)
    assert isinstance(answer, pa.Table)
    assert answer.schema.field("started_at").type == pa.timestamp("us", tz="UTC")
    assert answer.to_pylist()[1] == {"candidate": 1, "val_metric": 0.01, "parents": [], "started_at": None}


def test_labels_can_be_selected(tmp_path, make_result, make_genome, write):
    home = write(tmp_path, *(make_result(i, genome=make_genome(relu=5 - i)) for i in range(3)))
    query = "SELECT label, candidate FROM leaderboard WHERE label LIKE '%sin' ORDER BY candidate"
    assert Leaderboard(home).sql(query).to_pylist() == [
        {"label": f"{5 - i} relu + {5 + i} sin", "candidate": i} for i in range(3)
    ]
    # Older rows lack it.
    (part,) = (tmp_path / "leaderboard").glob("*.parquet")
    pq.write_table(pq.read_table(part).drop_columns("label"), part)
    assert set(Leaderboard(home).sql("SELECT label FROM leaderboard")["label"].to_pylist()) == {None}


def test_all_rows(run_dir):
    answer = Leaderboard(run_dir).sql("FROM leaderboard ORDER BY proposal")
    assert answer.column_names == SCHEMA.names
    assert answer.num_rows == 20


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "SELECT val_acc FROM leaderboard",
            "unknown column 'val_acc'; did you mean 'val_metric'\\? Known: .*train_metric.* others",
        ),
        ("SELECT run::INT FROM leaderboard", "got one that fails: Conversion Error"),
        ("SELECT nofunction(run) FROM leaderboard", "got the function 'nofunction'"),
        ("SELECT medain(seed) FROM leaderboard", r"got the function 'medain' \(did you mean 'median'\?\)"),
        (
            "DROP TABLE leaderboard",
            "expected one SELECT over the tables 'leaderboard' and 'curves', got another kind",
        ),
        ("SELECT * FROM read_text('/etc/hostname')", "got the table function 'read_text'"),
        ("SELECT run FROM", "got a syntax error"),
        ("SELECT '", "got an unterminated"),
        (f"SELECT {'NOT ' * 3000}true", "got a query nested too deeply"),
        ("SELECT seed.abs() FROM leaderboard", r"got the function 'seed.abs' \(did you mean 'abs'\?\)"),
    ],
)
def test_mistakes_are_one_sentence(query, message, run_dir):
    with pytest.raises(UserError, match=message) as caught:
        Leaderboard(run_dir).sql(query)
    assert "\n" not in str(caught.value)


def test_too_much_memory(run_dir):
    with pytest.raises(UserError, match="at most 2 GB, got one that needs more"):
        Leaderboard(run_dir).sql("SELECT repeat('x', 4000000000)", memory_gb=2)


def test_too_much_time(run_dir):
    query = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3"
    with pytest.raises(UserError, match=r"ends within 1\.5 seconds, got one that was stopped"):
        Leaderboard(run_dir).sql(query, seconds=1.5)  # of days


def test_too_large_an_answer():
    with pytest.raises(UserError, match=r"an answer of at most 0\.001 GB, got a larger one"):
        run("SELECT * FROM range(2000000)", [], answer_gb=0.001)


# What queries could do if the check of their tree let them through: nothing either.
UNCHECKED = """
import json, sys
import duckdb
import evoact.leaderboard.ask.sandbox as sandbox

sandbox.check = lambda text: []
request = {"files": [], "mixed": False, "columns": {"run": "VARCHAR"}, "memory_bytes": 2 << 30}
python_variable = None
for query in json.load(sys.stdin):
    try:
        sandbox._answer(request | {"sql": query})
    except duckdb.Error as error:
        print(type(error).__name__, file=sys.stderr)
    else:
        print("answered", query, file=sys.stderr)
"""


def test_the_second_line_of_defence(tmp_path):
    file = tmp_path / "file.csv"
    file.write_text("a\n1\n")
    queries = [
        f"SELECT * FROM read_text('{file}')",
        f"SELECT * FROM '{file}'",
        f"COPY (SELECT 1) TO '{file}'",
        f"ATTACH '{file}.db'",
        f"EXPORT DATABASE '{tmp_path}'",
        "SET enable_external_access = true",
        "SET python_enable_replacements = true",
        "SELECT * FROM python_variable",
        "LOAD httpfs",
    ]
    done = subprocess.run(
        [sys.executable, "-c", UNCHECKED],
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stderr.splitlines()) == len(queries)
    assert "answered" not in done.stderr
    assert file.read_text() == "a\n1\n"
    assert os.listdir(tmp_path) == ["file.csv"]


def test_the_sandbox_loads_little():
    code = "import evoact.leaderboard.ask.sandbox, evoact.leaderboard.ask.sql, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "ray", "optuna", "pandas"} & set(done.stdout.split())


def test_the_front_of_several_objectives(tmp_path, make_result, make_genome, write):
    """The query that the documentation gives."""
    guide = (Path(__file__).parents[3] / "docs" / "search_strategies.md").read_text()
    [query] = re.findall(r'--sql "(.*?)"\n```', guide, flags=re.DOTALL)
    points = [(10, 0.5), (10, 0.6), (20, 0.55), (30, 0.9), (40, 0.9), (50, 0.95)]
    results = [
        make_result(index, val=score, genome=make_genome(relu=1 + index), n_parameters=size)
        for index, (size, score) in enumerate(points)
    ]
    again = make_result(9, candidate=1, seed=1, val=0.7, genome=make_genome(relu=2), n_parameters=10)
    failed = make_result(10, state="failed", val=None, genome=make_genome(relu=9), n_parameters=1)
    answer = Leaderboard(write(tmp_path / "run", *results, again, failed)).sql(query)
    rows = answer.to_pylist()
    assert [(row["candidate"], row["n_parameters"]) for row in rows] == [(1, 10), (3, 30), (5, 50)]
    assert rows[0]["val_metric"] == pytest.approx(0.65)
