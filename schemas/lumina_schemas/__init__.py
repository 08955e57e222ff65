"""What crosses a boundary in Lumina: topics, records, settings, mapping tables, view schema. No I/O."""
