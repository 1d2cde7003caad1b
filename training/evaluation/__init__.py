"""What nano is measured by: sentences and a model -> scores, each beside its teacher's and its bar."""
