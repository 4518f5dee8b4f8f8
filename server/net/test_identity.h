#ifndef PONTOON_SERVER_NET_TEST_IDENTITY_H_
#define PONTOON_SERVER_NET_TEST_IDENTITY_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>

namespace pontoon::net {

// A key pair with a certificate, signed by `issuer` or by itself.
struct Identity {
  // `subject_alt_name`: as OpenSSL writes it ("IP:127.0.0.1"); empty: none.
  explicit Identity(const std::string& name, const Identity* issuer = nullptr,
                    const std::string& subject_alt_name = "")
      : key(EVP_EC_gen("P-256")), certificate(X509_new()) {
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate,
                         issuer == nullptr ? subject : X509_get_subject_name(issuer->certificate));
    if (issuer == nullptr) {
      X509_EXTENSION* ca =
          X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
      X509_add_ext(certificate, ca, -1);
      X509_EXTENSION_free(ca);
    }
    if (!subject_alt_name.empty()) {
      X509_EXTENSION* names =
          X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, subject_alt_name.c_str());
      X509_add_ext(certificate, names, -1);
      X509_EXTENSION_free(names);
    }
    X509_sign(certificate, issuer == nullptr ? key : issuer->key, EVP_sha256());
  }
  ~Identity() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }

  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  // As text in the form of a PEM file.
  std::string CertificatePem() const {
    return Pem([this](BIO* out) { PEM_write_bio_X509(out, certificate); });
  }
  std::string KeyPem() const {
    return Pem([this](BIO* out) {
      PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  EVP_PKEY* const key;
  X509* const certificate;

 private:
  template <typename F>
  static std::string Pem(F write) {
    BIO* const out = BIO_new(BIO_s_mem());
    write(out);
    char* data;
    const long size = BIO_get_mem_data(out, &data);
    const std::string text(data, static_cast<size_t>(size));
    BIO_free(out);
    return text;
  }
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_TEST_IDENTITY_H_
