"""What runs when: load, dbt build, answers. The one package that knows extract and dbt both."""
