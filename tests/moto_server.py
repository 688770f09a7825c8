"""What points programs and boto3 at a server of moto's."""

from moto.server import ThreadedMotoServer


def moto_variables(server: ThreadedMotoServer) -> dict[str, str]:
    """Returns the AWS_* variables; the keys are such as moto takes."""
    host, port = server.get_host_and_port()
    return {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
