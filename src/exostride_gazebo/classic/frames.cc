#include "frames.hh"

#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace exostride
{
Stream::~Stream() { this->Close(); }

void Stream::Close()
{
  if (this->fd >= 0)
    ::close(this->fd);
  this->fd = -1;
}

std::string Stream::Connect(const std::string &_path)
{
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (_path.empty() || _path.size() >= sizeof(address.sun_path))
    return "socket path has " + std::to_string(_path.size()) + " characters; 1 to 107 are possible";
  std::memcpy(address.sun_path, _path.c_str(), _path.size());
  this->fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (this->fd < 0 || ::connect(this->fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0)
    return _path + ": " + std::strerror(errno);
  return {};
}

bool Stream::Send(Kind _kind, uint32_t _flags, uint64_t _step, const void *_data, size_t _bytes)
{
  if (this->fd < 0 || _bytes > kLongest)
    return false;
  Header header{kMagic, kVersion, static_cast<uint16_t>(_kind), static_cast<uint32_t>(_bytes), _flags, _step};
  std::vector<char> all(sizeof(header) + _bytes);
  std::memcpy(all.data(), &header, sizeof(header));
  if (_bytes > 0)
    std::memcpy(all.data() + sizeof(header), _data, _bytes);
  size_t sent = 0;
  while (sent < all.size())
  {
    const ssize_t n = ::send(this->fd, all.data() + sent, all.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

bool Stream::ReceiveAll(char *_to, size_t _bytes, int _timeoutMs, bool &_timeout)
{
  _timeout = false;
  while (_bytes > 0)
  {
    pollfd waiting{this->fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, _timeoutMs);
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready == 0)
    {
      _timeout = true;
      return false;
    }
    const ssize_t n = ready < 0 ? -1 : ::recv(this->fd, _to, _bytes, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
      continue;
    if (n <= 0)
      return false;
    _to += n;
    _bytes -= static_cast<size_t>(n);
  }
  return true;
}

Answer Stream::Receive(Frame &_frame, int _timeoutMs)
{
  if (this->fd < 0)
    return Answer::kClosed;
  bool timeout = false;
  if (!this->ReceiveAll(reinterpret_cast<char *>(&_frame.header), sizeof(Header), _timeoutMs, timeout))
    return timeout ? Answer::kTimeout : Answer::kClosed;
  const Header &header = _frame.header;
  if (header.magic != kMagic || header.version != kVersion || header.length > kLongest)
    return Answer::kClosed;
  _frame.payload.resize(header.length);
  // A frame that has begun must end: half of one is as good as none.
  const bool whole = this->ReceiveAll(_frame.payload.data(), header.length, 2000, timeout);
  return whole ? Answer::kFrame : Answer::kClosed;
}
}  // namespace exostride
