"""What a run gives away about the people in its data: private training, masking, audits."""
