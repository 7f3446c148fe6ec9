"""What every training does around its loop: rows, losses, looks on the way, and the artifact."""
