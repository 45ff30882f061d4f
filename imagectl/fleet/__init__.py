"""Many images: manifest, plan, sending, waiting, rollback."""
