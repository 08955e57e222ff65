"""What a statement from outside may name. All else is refused: DuckDB's next version brings what nobody
looked at.

Left out on purpose: whatever reads files, settings or DuckDB's own catalogue; and what makes long texts or
lists
out of short ones (`||`, `replace`, `repeat`, `[...]`, `list`, `range` as a value). DuckDB counts the memory
of
joins, groups and sorts, and stops there; an expression's result it does not count, and one of it can take
gigabytes
between two looks at the clock.
"""

TABLES = frozenset({"spans", "calls", "traces", "contents", "scores", "corrections", "alerts", "calls_5m"})
"""Tables and views of the file."""

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
"""Functions behind FROM: their rows come one batch after the other."""

_OPERATORS = "+ - * / // % ** ^ ~~ !~~ ~~* !~~* ~~~ & | << >> -> ->>"
_AGGREGATES = """
    any_value approx_count_distinct approx_quantile arg_max arg_min avg bit_and bit_or bool_and bool_or
    corr count count_if count_star covar_pop covar_samp favg first fsum geomean kurtosis last max max_by mean
    median
    min min_by mode product quantile quantile_cont quantile_disc regr_slope regr_intercept regr_r2 skewness
    stddev
    stddev_pop stddev_samp sum sumkahan var_pop var_samp variance
"""
_WINDOWS = "cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number"
_NUMBERS = """
    abs cbrt ceil ceiling cos degrees exp floor greatest isfinite isinf isnan least ln log log10 log2 mod pi
    pow power
    radians round sign sin sqrt tan trunc hash
"""
_TEXTS = """
    contains ends_with left length lcase lower ltrim md5 nfc_normalize not_ilike_escape not_like_escape
    like_escape
    ilike_escape position prefix regexp_extract regexp_full_match regexp_matches right rtrim starts_with
    strlen strpos substr substring suffix trim ucase upper
"""
_TIMES = """
    age century current_date date_diff date_part date_sub date_trunc datediff datepart datetrunc day dayname
    dayofmonth
    dayofweek dayofyear epoch epoch_ms epoch_ns epoch_us extract get_current_timestamp hour isodow isoyear
    last_day
    make_date make_timestamp make_timestamp_ns microsecond millisecond minute month monthname now quarter
    second
    strftime strptime time_bucket timezone to_days to_hours to_milliseconds to_minutes to_seconds
    to_timestamp today
    try_strptime week weekofyear year
"""
_JSON = """
    json_array_length json_contains json_exists json_extract json_extract_path json_extract_path_text
    json_extract_string json_type json_valid json_value
"""
_OTHERS = "coalesce constant_or_null if ifnull nullif error list_contains array_contains len array_extract"
_MACROS = "bin_of ended_ns model_of ms_of scaled trace_key_of weight"

FUNCTIONS = frozenset(
    " ".join((_OPERATORS, _AGGREGATES, _WINDOWS, _NUMBERS, _TEXTS, _TIMES, _JSON, _OTHERS, _MACROS)).split()
)
"""Functions of values. `strftime` makes its text of a format: no longer than the statement times some ten."""

_TYPES = """
    BIGINT BOOL BOOLEAN DATE DATETIME DECIMAL DOUBLE FLOAT FLOAT4 FLOAT8 HUGEINT INT INT2 INT4 INT8 INTEGER
    INTERVAL
    JSON LONG NUMERIC REAL SMALLINT STRING TEXT TIME TIMESTAMP TIMESTAMPTZ TIMESTAMP_MS TIMESTAMP_NS
    TIMESTAMP_S
    TINYINT UBIGINT UHUGEINT UINTEGER USMALLINT UTINYINT UUID VARCHAR
"""
_EXPRESSIONS = """
    BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION OPERATOR
    POSITIONAL_REFERENCE STAR
    SUBQUERY TYPE WINDOW
"""
_NODES = """
    SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE
    BASE_TABLE SUBQUERY JOIN EMPTY EXPRESSION_LIST TABLE_FUNCTION SHOW_REF COLUMN_DATA
    ORDER_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER DISTINCT_MODIFIER
    ASCENDING DESCENDING ORDER_DEFAULT
"""

TYPES = frozenset(_TYPES.split()) | {"TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE", "DOUBLE PRECISION"}
"""Types to cast to. BLOB and BIT write one byte as up to eight letters: a way to long texts."""

EXPRESSIONS = frozenset(_EXPRESSIONS.split())
"""Classes of expressions."""

NODES = frozenset(_NODES.split())
"""Parts of a statement that are no expressions: queries, what stands behind FROM, and modifiers."""
