#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/id.h"
#include "base/testing/matchers.h"
#include "gateway/http/server.h"
#include "gateway/testing/http_client.h"

namespace lakehouse::gateway::http {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using tcp = net::ip::tcp;

template <auto function>
struct With {
  template <class T>
  void operator()(T* thing) const {
    function(thing);
  }
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// A certificate for localhost, signed by itself, as two PEM files.
void write_certificate(const std::string& cert_path, const std::string& key_path) {
  const std::unique_ptr<EVP_PKEY, With<EVP_PKEY_free>> key(EVP_RSA_gen(2048));
  const std::unique_ptr<X509, With<X509_free>> cert(X509_new());
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
  X509_set_pubkey(cert.get(), key.get());
  X509_NAME* name = X509_get_subject_name(cert.get());
  const std::string host = "localhost";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(host.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert.get(), name);
  X509_sign(cert.get(), key.get(), EVP_sha256());
  const std::unique_ptr<std::FILE, CloseFile> cert_file(std::fopen(cert_path.c_str(), "wb"));
  PEM_write_X509(cert_file.get(), cert.get());
  const std::unique_ptr<std::FILE, CloseFile> key_file(std::fopen(key_path.c_str(), "wb"));
  PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
}

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    write_certificate(base_ + ".cert", base_ + ".key");
    Route route;
    route.path = "/big";
    route.operation_id = "big";
    route.handler = [](Request) -> net::awaitable<Result<Response>> {
      co_return text_response(200, "text/plain", std::string(1000000, 'x'));
    };
    router_.add(std::move(route));
  }
  ~TlsTest() override {
    std::remove((base_ + ".cert").c_str());
    std::remove((base_ + ".key").c_str());
  }

  Result<std::unique_ptr<HttpServer>> start() {
    ServerOptions options;
    options.tls_cert = base_ + ".cert";
    options.tls_key = base_ + ".key";
    return HttpServer::start(std::move(options), router_, log_, metrics_);
  }

  // What comes back over TLS of at most `version`, or the handshake's error.
  static std::string ask(std::uint16_t port, int version, const std::string& request) {
    net::io_context loop;
    net::ssl::context context(net::ssl::context::tls_client);
    SSL_CTX_set_max_proto_version(context.native_handle(), version);
    SSL_CTX_set_min_proto_version(context.native_handle(), version);
    // Debian's default security level forbids the old versions at the client, too.
    SSL_CTX_set_security_level(context.native_handle(), 0);
    net::ssl::stream<tcp::socket> stream(loop, context);
    stream.next_layer().connect(tcp::endpoint(net::ip::address_v4::loopback(), port));
    boost::system::error_code error;
    stream.handshake(net::ssl::stream_base::client, error);
    if (error) {
      return "handshake failed";
    }
    net::write(stream, net::buffer(request));
    std::string answer;
    net::read(stream, net::dynamic_buffer(answer), error);
    return answer + (error == net::error::eof ? "" : " cut");
  }

  std::string base_ = ::testing::TempDir() + "lakehouse_tls_" + new_token(6);
  Log log_{{.level = LogLevel::Error, .format = LogFormat::Text, .file = "/dev/null"}};
  Metrics metrics_;
  Router router_;
};

TEST_F(TlsTest, ServesTls12And13AndNothingOlder) {
  const auto server = start();
  ASSERT_THAT(server, IsOk());
  const std::string request = testing::get("/big", "Connection: close\r\n");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::string answer = ask((*server)->port(), version, request);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
    EXPECT_GT(answer.size(), 1000000U);
    EXPECT_THAT(answer, ::testing::EndsWith("x")) << "ended by close_notify, not cut";
  }
  EXPECT_EQ(ask((*server)->port(), TLS1_1_VERSION, request), "handshake failed");
}

TEST_F(TlsTest, PlainHttpIsNotAnswered) {
  const auto server = start();
  ASSERT_THAT(server, IsOk());
  testing::RawClient client((*server)->port());
  client.send(testing::get("/big"));
  EXPECT_EQ(client.receive().status, 0);
}

TEST_F(TlsTest, BadFilesAreNamed) {
  std::ofstream(base_ + ".key") << "no key";
  const auto server = start();
  ASSERT_THAT(server, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(server.error().message, HasSubstr(".key"));
}

}  // namespace
}  // namespace lakehouse::gateway::http
