"""FFmpeg's WHIP muxer as a program of its own: a blue picture and silence, until its input is closed.

    ffmpeg_publisher.py URL TOKEN [dtls_active]

The muxer offers one format of each kind under payload types of its own, sends neither header extensions nor
candidates, protects with AES128_CM_SHA1_80 only, and unless told otherwise waits for the server to begin DTLS.
Built with GnuTLS, as here, it makes itself a key on the curve P-224, which WebRTC does not have (RFC 8827 section
6.5): it is given one on P-256.
"""

import datetime
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support import picture


def certificate(folder):
    """A self-signed certificate and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "publisher")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    pem = serialization.Encoding.PEM
    files = {"cert_file": folder / "cert.pem", "key_file": folder / "key.pem"}
    files["cert_file"].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    files["key_file"].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return {option: str(file) for option, file in files.items()}


def main():
    url, token, *flags = sys.argv[1:]
    folder = tempfile.TemporaryDirectory(prefix="conclave-ffmpeg-")
    options = {"authorization": token, "whip_flags": flags[0] if flags else "0", **certificate(Path(folder.name))}
    output = av.open(url, "w", format="whip", options=options)
    video = output.add_stream("libx264", rate=20)
    video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
    video.options = {"bf": "0", "g": "20", "preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
    audio = output.add_stream("libopus", rate=48000)
    audio.layout = "stereo"
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    start, count = time.monotonic(), 0
    while not ended.wait(max(0, start + count / 20 - time.monotonic())):
        output.mux(video.encode(picture("blue", (320, 240), count, Fraction(1, 20))))
        silence = av.AudioFrame(format="flt", layout="stereo", samples=2400)
        silence.planes[0].update(bytes(silence.planes[0].buffer_size))
        silence.sample_rate, silence.pts, silence.time_base = 48000, count * 2400, Fraction(1, 48000)
        output.mux(audio.encode(silence))
        if count == 0:
            print("publishing", flush=True)
        count += 1
    output.close()


main()
