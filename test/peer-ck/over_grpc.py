"""The other end of Ck over gRPC, from contract/ck.proto and grpcio alone: KM or controller.

Prints what it sees, a JSON object a line. Arguments: client|server|orders, descriptor set of protoc, folder with ca.crt, peer.crt
and peer.key, port.
"""
import json
import queue
import sys
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

role, descriptors, folder, port = sys.argv[1:]
PACKAGE = "qkd.ck.v1"
FIRST_OF_CONTROLLER = 2**31

pool = descriptor_pool.DescriptorPool()
with open(descriptors, "rb") as file:
    for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        pool.Add(proto)
factory = message_factory.MessageFactory(pool)


def kind(name):
    return factory.GetPrototype(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


Envelope = kind("Envelope")


def of(name, **fields):
    return kind(name)(**fields)


def envelope(message_id, field, **fields):
    made = Envelope(message_id=message_id)
    part = getattr(made, field)
    part.SetInParent()
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(part, name).extend(value)
        else:
            setattr(part, name, value)
    return made


def tell(what, message=None, **more):
    seen = {} if message is None else json_format.MessageToDict(message, preserving_proto_field_name=True)
    print(json.dumps({"what": what, **more, "message": seen}), flush=True)


def pem(name):
    with open(f"{folder}/{name}", "rb") as file:
        return file.read()


def client():
    credentials = grpc.ssl_channel_credentials(pem("ca.crt"), pem("peer.key"), pem("peer.crt"))
    options = [("grpc.ssl_target_name_override", "controller.example")]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:

        def unary(method, request, answer):
            call = channel.unary_unary(
                f"/{PACKAGE}.QkdnController/{method}",
                request_serializer=lambda one: one.SerializeToString(),
                response_deserializer=kind(answer).FromString,
            )
            try:
                tell(method, call(request, timeout=20))
            except grpc.RpcError as error:
                tell(method, status=error.code().name, details=error.details())

        destination = {"start_km": "kma-p", "end_km": "kma-c"}
        unary("GetNextHop", of("KeyRelayNextHopRequest", **destination), "KeyRelayNextHopResponse")
        unary("NotifyKeyRelayRequest", of("KeyRelayRequestNotification", **destination), "KeyRelayRequest")
        unary("TellKeyRelay", of("KeyRelayResponse", keyrelayrequest_id="relay-7"), "Nothing")
        unary("NoSuchMethod", of("Report"), "Nothing")
        unary("GetNextHop", of("KeyRelayNextHopRequest"), "KeyRelayNextHopResponse")
        unary("TellReport", of("Report", extension=["x" * 1_100_000]), "ReportResponse")

        out = queue.Queue()
        stream = channel.stream_stream(
            f"/{PACKAGE}.QkdnController/Connect",
            request_serializer=lambda one: one.SerializeToString(),
            response_deserializer=Envelope.FromString,
        )
        answers = stream(iter(out.get, None))
        out.put(envelope(1, "report", source_km_id="km-p", timestamp="2026-01-31T12:00:00Z", whole=True))
        for got in answers:
            which = got.WhichOneof("message")
            tell(which, getattr(got, which), id=got.message_id)
            if which == "report_response":
                out.put(envelope(2, "key_relay_request_notification", **destination))
            elif which == "key_relay_request":
                out.put(envelope(got.message_id, "key_relay_response", keyrelayrequest_id="relay-7"))
            elif which == "key_reservation_request":
                out.put(envelope(got.message_id, "key_reservation_response", key_id=["key-1", "key-2"]))
                out.put(None)


def connect(requests, _):
    for got in requests:
        which = got.WhichOneof("message")
        tell(which, getattr(got, which), id=got.message_id)
        if which == "report":
            yield envelope(got.message_id, "report_response")
            yield envelope(
                FIRST_OF_CONTROLLER, "key_allocation_request", start_km="kma-a", end_km="kma-c", key_id=["key-1"]
            )
        elif which == "session_creation_request":
            yield envelope(
                got.message_id, "session_creation_response", session_id="session-9", destination_km_id="km-c"
            )


def reserve(request, _):
    tell("ReserveKeys", request)
    if request.end_km == "kma-z":
        return of("KeyReservationResponse", result_code=1, error_message="no_route")
    return of("KeyReservationResponse", start_km=request.start_km, end_km=request.end_km, key_id=["key-1"])


def server():
    def handler(make, function, request):
        return make(function, request.FromString, lambda one: one.SerializeToString())

    serving = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    serving.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                f"{PACKAGE}.QkdnController",
                {"Connect": handler(grpc.stream_stream_rpc_method_handler, connect, Envelope)},
            ),
            grpc.method_handlers_generic_handler(
                f"{PACKAGE}.KeyManager",
                {"ReserveKeys": handler(grpc.unary_unary_rpc_method_handler, reserve, kind("KeyReservationRequest"))},
            ),
        )
    )
    pair = [(pem("peer.key"), pem("peer.crt"))]
    credentials = grpc.ssl_server_credentials(pair, pem("ca.crt"), require_client_auth=True)
    tell("listening", port=serving.add_secure_port("127.0.0.1:0", credentials))
    serving.start()
    sys.stdin.read()
    serving.stop(0)


def orders():
    """Calls of KeyManager, one for each line of stdin: method, port, name in the certificate, request, type of the answer."""
    credentials = grpc.ssl_channel_credentials(pem("ca.crt"), pem("peer.key"), pem("peer.crt"))
    for line in sys.stdin:
        asked = json.loads(line)
        options = [("grpc.ssl_target_name_override", asked["name"])]
        with grpc.secure_channel(f"127.0.0.1:{asked['port']}", credentials, options) as channel:
            call = channel.unary_unary(
                f"/{PACKAGE}.KeyManager/{asked['method']}",
                request_serializer=lambda one: one.SerializeToString(),
                response_deserializer=kind(asked["answer"]).FromString,
            )
            try:
                tell(asked["method"], call(json_format.ParseDict(asked["message"], kind(asked["type"])()), timeout=20))
            except grpc.RpcError as error:
                tell(asked["method"], status=error.code().name)


{"client": client, "server": server, "orders": orders}[role]()
