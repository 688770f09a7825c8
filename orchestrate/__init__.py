"""What runs when: load, dbt build and answers in one process. Only this package knows both sides."""
