"""The commands of `lumina`, each reading settings, asking or acting, and printing for a person."""
