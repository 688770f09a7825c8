"""`python -m tests.deploy [PORT]`: serves the mock of AWS until it is stopped."""

import signal
import sys

from tests.deploy.mock_aws import serve

if __name__ == "__main__":
    mock = serve(int(sys.argv[1]) if len(sys.argv) > 1 else 5055)
    print("A mock of AWS on http://{}:{}; Ctrl-C ends it.".format(*mock.get_host_and_port()))
    sys.stdout.flush()
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    mock.stop()
