"""How nano, the model that comes with bark_cli, is made: texts -> a teacher's speech -> a model folder."""
