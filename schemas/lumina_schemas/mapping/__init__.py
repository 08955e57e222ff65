"""OTLP -> span: what every generation of every instrumentation calls the fields of `lumina_schemas.span`.

Tables only, no code that decides. A new convention is a few rows here and one captured file under
`tests/corpus/`. Order inside a row is precedence: the first name that is present and not empty wins.
"""
