"""Many machines, by way of Ray: the orders of a batch -> workers that make files -> the one place they go to.

connect     joins a cluster, or starts one on this machine
hiring      how many workers, and what each has of its machine
job         what travels between the command and a worker: the manner, which model, finished files
models      finds a model on a worker's machine, or brings it there; voices go there by `voices`
worker      an actor that holds the model: orders -> files as bytes
dataset     for pipelines of others: a Ray Data set of texts -> the same with sounds
serving     the server of `bark serve` as an application of Ray Serve
hand        one worker as the command sees it; status is what it is at, and has done
suspicion   orders whose worker died -> what is made again, and which is to blame
crew        all workers of a run: hands out orders, and does without those that die

Nothing else imports Ray. The command places files and writes the ledger where it runs (`batch.run`).
"""

from bark_cli.cluster.dataset import speak_dataset
from bark_cli.cluster.serving import speech_app

__all__ = ["speak_dataset", "speech_app"]
