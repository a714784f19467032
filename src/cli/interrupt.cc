#include "cli/interrupt.h"

#include <csignal>

namespace lakehouse::cli {
namespace {

void on_interrupt(int) {
  InterruptGuard::flag()->store(true);
}

}  // namespace

std::atomic<bool>* InterruptGuard::flag() {
  static std::atomic<bool> interrupted{false};
  return &interrupted;
}

InterruptGuard::InterruptGuard() {
  clear();
  struct sigaction action{};
  action.sa_handler = &on_interrupt;  // Without SA_RESTART: a waiting read returns.
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptGuard::~InterruptGuard() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

}  // namespace lakehouse::cli
